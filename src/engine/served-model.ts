/**
 * A base model as the engine holds it, on whatever device: what its factored lane runs on, and what the engine asks of
 * it beside. `load-model.ts` makes the one that the device wants.
 */
import type { LaneModel } from './lane.js';
import type { AdapterPlaces } from './scheduler.js';

/** Adapters of the bank, counted since the model was loaded. */
export interface BankCounts {
  /** Adapters in the bank, those without references included. */
  adapters: number;
  loads: number;
  evictions: number;
  /** Of the rank rows. */
  bytes: number;
}

/** The bank, as the engine sees it. */
export interface ServedBank extends AdapterPlaces {
  /** Rank rows with references. */
  readonly usedRanks: number;
  readonly stats: BankCounts;
  /** Called after each load, whether it went well or not. Returns the way to stop that. */
  onSettled(listener: () => void): () => void;
}

export interface ServedModel extends LaneModel {
  readonly bank: ServedBank;
  /** Of the weights in the device's memory. */
  readonly bytes: number;
  /** Frees everything. No run may be under way, and none may follow. */
  release(): Promise<void>;
}
