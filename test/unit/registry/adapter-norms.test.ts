import type { LowRankDelta } from '../../../src/lowrank/delta.js';
import { normsOf } from '../../../src/registry/adapter-norms.js';

/** ΔW = s · 1, [out, in] */
const ones = (scale: number): LowRankDelta => ({
  rank: 1,
  inFeatures: 4,
  outFeatures: 9,
  a: new Float32Array(4).fill(1),
  b: new Float32Array(9).fill(1),
  scale,
});

test('each module has the norm of its delta, scale included', () => {
  const norms = normsOf(new Map(Object.entries({ one: ones(1), other: ones(-2) })));
  expect([...norms]).toEqual([
    ['one', 6],
    ['other', 12],
  ]);
});

test('an adapter that would take too long has none at all', () => {
  const empty = new Float32Array(0);
  const large = { rank: 4096, inFeatures: 14336, outFeatures: 4096, a: empty, b: empty, scale: 1 };
  expect([...normsOf(new Map(Object.entries({ one: ones(1), large }))).values()]).toEqual([null, null]);
});
