/** Repeatable numbers from a linear congruential generator (Numerical Recipes), uniform between −1 and 1. */
export class RandomNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 31 - 1;
  }

  /** An integer from 0 up to `end`, without it. */
  below(end: number): number {
    return Math.min(end - 1, Math.floor(((this.next() + 1) / 2) * end));
  }

  fill(length: number, scale: number): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = this.next() * scale;
    return values;
  }
}
