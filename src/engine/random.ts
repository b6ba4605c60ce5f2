/**
 * Random numbers of one row: Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), from pure-rand.
 *
 * Neighbouring seeds give unrelated first draws, which matters because the choices of one request take neighbouring
 * seeds.
 */
import { randomInt } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { mersenne } from 'pure-rand/generator/mersenne';

/** Gives the next number in [0, 1) at each call. The same seed gives the same numbers; null takes a seed by chance. */
export function randomNumbers(seed: number | null): () => number {
  const generator = mersenne(fold(seed ?? randomInt(2 ** 32)));
  return () => uniformFloat64(generator);
}

/** Any integer → 32 bits, all of which count. */
function fold(seed: number): number {
  const high = Math.floor(seed / 2 ** 32);
  return (seed ^ Math.imul(high, 0x9e3779b1)) | 0;
}
