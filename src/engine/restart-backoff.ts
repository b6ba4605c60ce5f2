/** How long to wait before a process that ended is started again: longer each time, short again after a stable minute. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;
const STABLE_MS = 60_000;

export class RestartBackoff {
  #delayMs = FIRST_MS;

  /** `livedMs` is how long the process that ended had been ready. */
  next(livedMs: number): number {
    if (livedMs >= STABLE_MS) this.#delayMs = FIRST_MS;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(LONGEST_MS, delayMs * 2);
    return delayMs;
  }
}
