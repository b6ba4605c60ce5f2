/** Log-probabilities of the model itself, before temperature, penalties and cuts. Sums are taken in float64. */
import type { TokenLogprob } from './protocol.js';

/** log Σ exp(logits), shifted by the largest logit so that nothing overflows. logits: [vocab], finite → number. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (const logit of logits) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  return max + Math.log(sum);
}

/** What the model gave `token`, with its `alternatives` likeliest tokens. logits: [vocab]. */
export function tokenLogprob(logits: Float32Array, token: number, alternatives: number): TokenLogprob {
  const normalizer = logSumExp(logits);
  return {
    token,
    logprob: (logits[token] ?? NaN) - normalizer,
    top: largest(logits, alternatives).map((id) => ({ token: id, logprob: (logits[id] ?? NaN) - normalizer })),
  };
}

/**
 * The `count` largest entries, largest first, the lower index first among equals. values: [n] → indices.
 * One pass with a sorted shortlist: meant for a count of at most a few dozen.
 */
export function largest(values: Float32Array, count: number): number[] {
  const shortlist: number[] = [];
  if (count <= 0) return shortlist;
  let least = -Infinity;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? -Infinity;
    if (shortlist.length === count && !(value > least)) continue;
    if (shortlist.length === count) shortlist.pop();
    let place = shortlist.length;
    while (place > 0 && (values[shortlist[place - 1] ?? 0] ?? -Infinity) < value) place--;
    shortlist.splice(place, 0, index);
    least = values[shortlist.at(-1) ?? 0] ?? -Infinity;
  }
  return shortlist;
}

/** The index of the largest entry, the lowest among equals; -1 when all are -Infinity. */
export function argmax(values: Float32Array | Float64Array): number {
  let best = -1;
  let max = -Infinity;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? -Infinity;
    if (value <= max) continue;
    max = value;
    best = index;
  }
  return best;
}
