/**
 * Ends a text at the first of some strings. Text that may still turn out to be the beginning of one is held back, so
 * that nothing is sent which would have to be taken away again.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  readonly #include: boolean;
  #held = '';
  #stopped = false;

  /** `include`: the text that is given out ends with the stop string instead of before it. */
  constructor(stops: readonly string[], options: { include: boolean }) {
    this.#stops = stops;
    this.#include = options.include;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes more text and gives out what is safe; nothing more once stopped. */
  push(text: string): string {
    if (this.#stopped) return '';
    if (this.#stops.length === 0) return text;
    const all = this.#held + text;
    let at = Infinity;
    let stop = '';
    for (const candidate of this.#stops) {
      const found = all.indexOf(candidate);
      if (found !== -1 && found < at) {
        at = found;
        stop = candidate;
      }
    }
    if (at !== Infinity) {
      this.#stopped = true;
      this.#held = '';
      return all.slice(0, this.#include ? at + stop.length : at);
    }
    const held = Math.max(...this.#stops.map((candidate) => overlap(all, candidate)));
    this.#held = all.slice(all.length - held);
    return all.slice(0, all.length - held);
  }

  /** No more text comes: gives out what was held back. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** Length of the longest proper beginning of `stop` that `text` ends with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
