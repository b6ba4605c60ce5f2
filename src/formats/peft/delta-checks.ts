/**
 * What a delta's values may be. A row's mask of 0 doesn't shield it from another's infinity (0 × Inf is NaN), so values
 * whose products could overflow are kept out.
 */
import { InvalidAdapterTensorError } from '../../errors/adapters.js';
import type { LowRankDelta } from '../../lowrank/delta.js';

/** Largest |A| and |s · B|. Trained adapters stay below 10. */
const MAX_MAGNITUDE = 1e4;

export function checkRange({ a, b, scale }: LowRankDelta, keyA: string, keyB: string): void {
  check(keyA, a, 1, 'A');
  check(keyB, b, scale, 'scale · B');
}

function check(key: string, values: Float32Array, scale: number, what: string): void {
  let largest = 0;
  // Counted, because that is four times as fast as iterating.
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs((values[i] as number) * scale);
    // Also true of NaN.
    if (magnitude <= largest) continue;
    largest = magnitude;
    if (Number.isNaN(magnitude)) break;
  }
  if (!Number.isFinite(largest)) {
    throw new InvalidAdapterTensorError(
      key,
      'has values that are not finite: the training diverged; use an earlier state of it',
    );
  }
  if (largest > MAX_MAGNITUDE) {
    throw new InvalidAdapterTensorError(
      key,
      `has |${what}| up to ${largest.toPrecision(3)}; more than ${MAX_MAGNITUDE} is refused, because products could overflow. Check the training, and lora_alpha`,
    );
  }
}

/** Whether any rank row has both halves: its row of A and its column of B. */
export function hasEffect({ rank, inFeatures, outFeatures, a, b, scale }: LowRankDelta): boolean {
  if (scale === 0) return false;
  for (let r = 0; r < rank; r++) {
    const reads = a.subarray(r * inFeatures, (r + 1) * inFeatures).some((value) => value !== 0);
    if (!reads) continue;
    for (let out = 0; out < outFeatures; out++) if (b[out * rank + r] !== 0) return true;
  }
  return false;
}
