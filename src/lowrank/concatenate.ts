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
  let start = 0;
  for (const delta of deltas) {
    a.set(delta.a, start * inFeatures);
    start += delta.rank;
  }
  return { rank, inFeatures, outFeatures, a, b: concatenateColumns(deltas, outFeatures), scale: 1 };
}

/**
 * [s_1 B_1, …, s_k B_k], for as many rows of each B as are given: b: [rows, rank] → [rows, sum of ranks]. The product
 * with the scale is rounded once.
 */
export function concatenateColumns(
  parts: readonly Pick<LowRankDelta, 'rank' | 'b' | 'scale'>[],
  rows: number,
): Float32Array<ArrayBuffer> {
  const width = parts.reduce((sum, { rank }) => sum + rank, 0);
  const columns = new Float32Array(rows * width);
  let start = 0;
  for (const { rank, b, scale } of parts) {
    for (let row = 0; row < rows; row++) {
      for (let r = 0; r < rank; r++) {
        // Inside: b is [rows, rank].
        columns[row * width + start + r] = scale * (b[row * rank + r] as number);
      }
    }
    start += rank;
  }
  return columns;
}
