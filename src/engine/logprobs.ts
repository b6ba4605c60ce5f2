/** Log-probabilities of the model itself, before temperature, penalties and cuts. */
import { LOGIT_BLOCK } from '../graph/logit-blocks.js';
import { totalOf } from './block-masses.js';
import type { PositionLogits } from './position-logits.js';
import type { TokenLogprob } from './protocol.js';

/** The blocks that `tokenLogprob` looks at, but for the token's own: those that can hold the likeliest tokens. */
export function likeliestBlocks({ maxima }: PositionLogits, alternatives: number): number[] {
  const [least] = largest(maxima, alternatives).slice(-1);
  if (least === undefined) return [];
  // Where another block has the same maximum, the lower of two ids may be there.
  const floor = maxima[least] as number;
  return [...maxima.keys()].filter((block) => (maxima[block] as number) >= floor);
}

/**
 * What the model gave `token`, with its `alternatives` likeliest tokens. `masses`: of the blocks at temperature 1, which
 * are summed in float64. The block of the token and the likeliest ones were read.
 */
export function tokenLogprob(
  logits: PositionLogits,
  masses: Float32Array,
  token: number,
  alternatives: number,
): TokenLogprob {
  const ofTotal = Math.log(totalOf(masses));
  const logprob = (id: number): number => logits.logit(id) - logits.largest - ofTotal;
  const top = likeliestTokens(logits, alternatives).map((id) => ({ token: id, logprob: logprob(id) }));
  return { token, logprob: logprob(token), top };
}

function likeliestTokens(logits: PositionLogits, count: number): number[] {
  const blocks = likeliestBlocks(logits, count);
  const values = new Float32Array(blocks.length * LOGIT_BLOCK).fill(-Infinity);
  for (const [i, block] of blocks.entries()) values.set(logits.block(block), i * LOGIT_BLOCK);
  const known = Math.min(count, logits.vocabSize);
  return largest(values, known).map(
    (place) => (blocks[Math.floor(place / LOGIT_BLOCK)] as number) * LOGIT_BLOCK + (place % LOGIT_BLOCK),
  );
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
export function argmax(values: Float32Array): number {
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
