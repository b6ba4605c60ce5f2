/**
 * What a run costs by its size, learnt from the runs so far: ms ≈ fixed + slope · size. The newest runs count most, so
 * that it follows a machine that gets busier and rows that grow longer.
 */

/** What a run's weight falls to with each later one. */
const DECAY = 0.9;
/** Standard deviation of the sizes, as a share of their mean, from which on they tell what one more costs. */
const ENOUGH_SPREAD = 0.2;
/** A run that took longer than so many times what was expected says little about the next. */
const OUTLIER = 2;

export class LinearCost {
  #weight = 0;
  #sizes = 0;
  #ms = 0;
  #squares = 0;
  #products = 0;
  #slope: number | null = null;

  get known(): boolean {
    return this.#weight > 0;
  }

  get meanSize(): number {
    return this.#sizes / this.#weight;
  }

  get meanMs(): number {
    return this.#ms / this.#weight;
  }

  /** ms for one more; null while all runs were of about one size. */
  get slope(): number | null {
    return this.#slope;
  }

  observe(size: number, ms: number): void {
    const believed = this.known ? Math.min(ms, OUTLIER * Math.max(this.estimate(size), this.meanMs)) : ms;
    this.#weight = this.#weight * DECAY + 1;
    this.#sizes = this.#sizes * DECAY + size;
    this.#ms = this.#ms * DECAY + believed;
    this.#squares = this.#squares * DECAY + size * size;
    this.#products = this.#products * DECAY + size * believed;
    const variance = this.#squares / this.#weight - this.meanSize ** 2;
    // While the sizes are all alike, what was learnt before about their difference stands.
    if (variance < (ENOUGH_SPREAD * this.meanSize) ** 2) return;
    const covariance = this.#products / this.#weight - this.meanSize * this.meanMs;
    this.#slope = Math.min(Math.max(covariance / variance, 0), this.meanMs / this.meanSize);
  }

  /** ms of a run of this size. Where nothing is known of the slope, `slope` is taken. */
  estimate(size: number, slope = this.#slope ?? this.meanMs / this.meanSize): number {
    return Math.max(0, this.meanMs + slope * (size - this.meanSize));
  }
}
