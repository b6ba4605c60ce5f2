import type { LowRankDelta } from './delta.js';

/** weight · s · B · A, [out, in]: what a path adds to W. Summed in double precision, so that it can serve as an oracle. */
export function denseDelta(delta: LowRankDelta, weight = 1): Float32Array {
  const { rank, inFeatures, outFeatures, a, b, scale } = delta;
  const dense = new Float32Array(outFeatures * inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    for (let input = 0; input < inFeatures; input++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) {
        // Inside: B is [out, rank], A is [rank, in].
        sum += (b[out * rank + r] as number) * (a[r * inFeatures + input] as number);
      }
      dense[out * inFeatures + input] = weight * scale * sum;
    }
  }
  return dense;
}
