import type { FoldedDelta, LowRankDelta } from './delta.js';

/** s is multiplied into B, so that a module computes (x Aᵀ) b. The result shares A with the delta; `folded` takes b. */
export function fold(
  { rank, inFeatures, outFeatures, a, b, scale }: LowRankDelta,
  folded: Float32Array = new Float32Array(rank * outFeatures),
): FoldedDelta {
  for (let r = 0; r < rank; r++) {
    const row = r * outFeatures;
    for (let out = 0; out < outFeatures; out++) {
      // Inside both arrays: B is [out, rank].
      folded[row + out] = scale * (b[out * rank + r] as number);
    }
  }
  return { rank, inFeatures, outFeatures, a, b: folded };
}
