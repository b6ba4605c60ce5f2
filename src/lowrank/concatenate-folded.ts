import type { FoldedDelta } from './delta.js';

/**
 * One folded delta that is the weighted sum of all: ranks one below the other, each weight multiplied into its b. Exact,
 * as `concatenate` is. At least one delta; all of one layer.
 */
export function concatenateFolded(parts: readonly { delta: FoldedDelta; weight: number }[]): FoldedDelta {
  const [first] = parts;
  if (first === undefined) throw new RangeError('There are no deltas to concatenate.');
  const { inFeatures, outFeatures } = first.delta;
  const rank = parts.reduce((sum, { delta }) => sum + delta.rank, 0);
  const a = new Float32Array(rank * inFeatures);
  const b = new Float32Array(rank * outFeatures);
  let row = 0;
  for (const { delta, weight } of parts) {
    if (delta.inFeatures !== inFeatures || delta.outFeatures !== outFeatures) {
      throw new RangeError(
        `Deltas of different layers can't be concatenated: [${delta.outFeatures}, ${delta.inFeatures}] and [${outFeatures}, ${inFeatures}].`,
      );
    }
    a.set(delta.a, row * inFeatures);
    const at = row * outFeatures;
    // Inside: b of the sum is as wide, and higher.
    for (let i = 0; i < delta.b.length; i++) b[at + i] = weight * (delta.b[i] as number);
    row += delta.rank;
  }
  return { rank, inFeatures, outFeatures, a, b };
}
