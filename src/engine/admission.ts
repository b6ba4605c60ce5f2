/** Counts the requests that are in the house, and tells those who find it full when to come back. */
import { OverloadedError } from '../errors/admission.js';

/** Over how long, and how many ends, the rate is measured. */
const WINDOW_MS = 60_000;
const WINDOW_ENDS = 64;
const MAX_RETRY_AFTER_SECONDS = 60;

export class Admission {
  readonly limit: number;
  readonly #nowMs: () => number;
  /** When the last requests ended, oldest first. */
  readonly #endsMs: number[] = [];
  #rows = 0;

  constructor(limits: { maxRows: number; maxWaiting: number }, nowMs: () => number = Date.now) {
    this.limit = limits.maxRows + limits.maxWaiting;
    this.#nowMs = nowMs;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Throws `overloaded` when the house is full. */
  enter(): void {
    if (this.#rows >= this.limit) throw new OverloadedError(this.#rows, this.limit, this.retryAfterSeconds());
    this.#rows++;
  }

  leave(): void {
    this.#rows--;
    this.#endsMs.push(this.#nowMs());
    if (this.#endsMs.length > WINDOW_ENDS) this.#endsMs.shift();
  }

  /** When half of those in the house will have left, at the recent rate. */
  retryAfterSeconds(): number {
    const nowMs = this.#nowMs();
    const recentMs = this.#endsMs.filter((endMs) => nowMs - endMs <= WINDOW_MS);
    const first = recentMs[0];
    if (first === undefined) return 1;
    const perSecond = recentMs.length / Math.max(1, (nowMs - first) / 1000);
    return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(this.#rows / 2 / perSecond)));
  }
}
