/** Lanes that are compared take their steps in turn, so that what else goes on in the machine meets all alike. */
import { quantile } from './measure.js';

export interface Contestant {
  /** Takes a step. Returns its ms. */
  step: () => Promise<number>;
  /** Of each round. */
  ms: number[];
}

/** A step of each a round. What runs first may find the machine in another state, so each begins in turn. */
export async function takeTurns(contestants: readonly Contestant[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const place of contestants.keys()) {
      const contestant = contestants[(round + place) % contestants.length];
      contestant?.ms.push(await contestant.step());
    }
  }
}

/** What a tenth and nine tenths of the rounds' ratios to `base` lie under: `[0.91–1.08]` */
export function ratioRange(ms: readonly number[], base: readonly number[]): string {
  const ratios = Float64Array.from(ms, (each, round) => (base[round] ?? NaN) / each);
  return `[${quantile(ratios, 0.1).toFixed(2)}–${quantile(ratios, 0.9).toFixed(2)}]`;
}
