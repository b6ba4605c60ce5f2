/** The bank of a merged lane: the adapters are in the weights, so there is nothing to load, to hold or to feed. */
import type { RankSource } from './rank-feeds.js';
import type { AdapterPlaces } from './scheduler.js';

export const NO_ADAPTERS: AdapterPlaces & RankSource = {
  rankBudget: Infinity,
  expect: () => undefined,
  prefetch: () => undefined,
  state: () => 'resident',
  failure: () => null,
  acquire: () => true,
  release: () => undefined,
  feed: () => ({ used: 'none', shared: [], slotted: [], slots: [] }),
  joins: () => true,
};
