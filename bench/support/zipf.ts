/** Which of so many things a request wants, where the n-th is wanted in proportion to 1 / n^exponent (Zipf). */
import { RandomNumbers } from './random-numbers.js';

export class ZipfDraws {
  readonly #cumulative: Float64Array;
  readonly #random: RandomNumbers;

  constructor(count: number, exponent: number, seed: number) {
    this.#random = new RandomNumbers(seed);
    let sum = 0;
    this.#cumulative = Float64Array.from({ length: count }, (_, i) => (sum += 1 / (i + 1) ** exponent));
  }

  /** From 0, the most wanted, up. */
  next(): number {
    const total = this.#cumulative.at(-1) ?? 0;
    const drawn = ((this.#random.next() + 1) / 2) * total;
    let [low, high] = [0, this.#cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cumulative[middle] ?? 0) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
