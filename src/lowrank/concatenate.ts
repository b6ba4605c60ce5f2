import type { LowRankDelta } from './delta.js';

/**
 * One delta that is the sum of all: ranks are concatenated, [A_1; …; A_k] and [s_1 B_1, …, s_k B_k]. Exact, unlike an
 * average of A's and B's, which adds cross terms. At least one delta; all of one layer.
 */
export function concatenate(deltas: readonly LowRankDelta[]): LowRankDelta {
  const [first] = deltas;
  if (first === undefined) throw new RangeError('There are no deltas to concatenate.');
  const { inFeatures, outFeatures } = first;
  for (const delta of deltas) {
    if (delta.inFeatures !== inFeatures || delta.outFeatures !== outFeatures) {
      throw new RangeError(
        `Deltas of different layers can't be concatenated: [${delta.outFeatures}, ${delta.inFeatures}] and [${outFeatures}, ${inFeatures}].`,
      );
    }
  }
  const rank = deltas.reduce((sum, delta) => sum + delta.rank, 0);
  const a = new Float32Array(rank * inFeatures);
  const b = new Float32Array(outFeatures * rank);
  let start = 0;
  for (const delta of deltas) {
    a.set(delta.a, start * inFeatures);
    for (let out = 0; out < outFeatures; out++) {
      for (let r = 0; r < delta.rank; r++) {
        // Inside: delta.b is [out, delta.rank].
        b[out * rank + start + r] = delta.scale * (delta.b[out * delta.rank + r] as number);
      }
    }
    start += delta.rank;
  }
  return { rank, inFeatures, outFeatures, a, b, scale: 1 };
}
