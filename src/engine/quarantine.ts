/**
 * Paths that the engine process died on. A path that was alone in the process when it died is suspect; after the second
 * time it isn't served for a while, so that one bad adapter can't take everybody's requests with it again and again.
 */
import { PathQuarantinedError } from '../errors/engine.js';

const DEATHS = 2;
export const QUARANTINE_MS = 5 * 60_000;

export class Quarantine {
  readonly #nowMs: () => number;
  /** By path digest. */
  readonly #suspects = new Map<string, { deaths: number; lastMs: number }>();

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** The process died while it had rows on these paths and no others. */
  died(pathDigests: readonly string[]): void {
    const [alone, ...others] = new Set(pathDigests);
    if (alone === undefined || others.length > 0) return;
    const { deaths } = this.#suspect(alone) ?? { deaths: 0 };
    this.#suspects.set(alone, { deaths: deaths + 1, lastMs: this.#nowMs() });
  }

  /** A row of that path ended well. */
  acquit(pathDigest: string): void {
    this.#suspects.delete(pathDigest);
  }

  /** Throws `path_quarantined`. */
  check(pathDigest: string): void {
    const suspect = this.#suspect(pathDigest);
    if (suspect === undefined || suspect.deaths < DEATHS) return;
    const leftMs = suspect.lastMs + QUARANTINE_MS - this.#nowMs();
    throw new PathQuarantinedError(pathDigest, suspect.deaths, Math.ceil(leftMs / 1000));
  }

  #suspect(pathDigest: string): { deaths: number; lastMs: number } | undefined {
    const suspect = this.#suspects.get(pathDigest);
    if (suspect === undefined || this.#nowMs() - suspect.lastMs < QUARANTINE_MS) return suspect;
    this.#suspects.delete(pathDigest);
    return undefined;
  }
}
