/**
 * How many prompt tokens a step takes beside rows that decode, so that those keep their pace: as many as make the step
 * `stretch` times as long as decoding alone. Numbers only; what runs took is told from outside.
 *
 * A prompt's chunk is computed in one run with rows that decode, where the model can, and costs what its tokens add; else it
 * is a run of its own, which reads all weights once however short it is. Where that alone is as much as a step, prompts go
 * on by the smallest chunk. Pace gives way where more rows want to begin than decode, or several with short prompts, so that
 * a burst doesn't wait for those that came first: the time that prompts take is taken from these in any case, at once or bit
 * by bit. It gives way, too, where much is to be read, so that all of it is read within `STEPS_FOR_BACKLOG` steps, or a
 * full chunk a step.
 */
import { LinearCost } from './linear-cost.js';

/** Shorter chunks cost hardly less than this one. */
const SMALLEST_CHUNK = 8;
const STEPS_FOR_BACKLOG = 160;
/** Where prompts never end to come in, so often one step leaves them out: else nobody would know any more what decoding takes. */
const STEPS_BETWEEN_ALONE = 16;

/** Prompts of several rows are short if they are so many full chunks in all, */
const CHUNKS_OF_FEW = 1;
/** and of rows that are more than half of those that decode. */
const CHUNKS_OF_MANY = 4;
/** Rows that decode, times what they were when they last decoded alone: what that took says little any more. */
const CHANGED = 1.5;

/** What a step finds. */
export interface RowsAtHand {
  /** Rows of the batch that decode, */
  decoding: number;
  /** and those of other batches, which wait for this one's step; none where left out. */
  elsewhere?: number;
  /** Rows with a place in the batch, or one free for them, that have no token yet. */
  beginning: number;
  /** Prompt tokens that are still to be read, of rows in the batch and of those that wait. */
  backlog: number;
}

/** Prompt tokens that a step may take. */
export interface PrefillAllowance {
  tokens: number;
  /** What each row after the first costs beyond its tokens, in tokens: it may be a run of its own. */
  perRow: number;
}

export class PrefillPace {
  readonly #fullChunk: number;
  readonly #stretch: number | null;
  readonly #decode = new LinearCost();
  readonly #prefill = new LinearCost();
  /** What prompts add to a run that decodes. */
  readonly #beside = new LinearCost();
  /** Runs of both since rows last decoded by themselves, */
  #besideSince = 0;
  /** and how many those were; 0 before. */
  #aloneRows = 0;

  /** `stretch` is how long a step may take, as a multiple of decoding alone; null: full chunks always. */
  constructor(fullChunk: number, stretch: number | null) {
    this.#fullChunk = fullChunk;
    this.#stretch = stretch;
  }

  /** What all decoding of one step took. */
  decoded(rows: number, ms: number): void {
    this.#besideSince = 0;
    this.#aloneRows = rows;
    this.#decode.observe(rows, ms);
  }

  /** What one run over prompts took, padding included, or one of prompts and rows that decode. */
  prefilled(tokens: number, ms: number, decodingRows = 0): void {
    if (decodingRows === 0) {
      this.#prefill.observe(tokens, ms);
      return;
    }
    this.#besideSince++;
    if (this.#decode.known) this.#beside.observe(tokens, Math.max(0, ms - this.#decodeMs(decodingRows)));
  }

  allowance({ decoding, elsewhere = 0, beginning, backlog }: RowsAtHand): PrefillAllowance {
    const all = decoding + elsewhere;
    const chunks = 2 * beginning > all ? CHUNKS_OF_MANY : CHUNKS_OF_FEW;
    const isBurst = beginning > 1 && backlog <= chunks * this.#fullChunk;
    if (beginning > all || isBurst || this.#stretch === null) return { tokens: this.#fullChunk, perRow: 0 };
    if (decoding > 0 && this.#besideSince >= this.#stepsUntilAlone(decoding)) return { tokens: 0, perRow: 0 };
    const { tokens, perRow } = this.#withinStretch(all, this.#stretch);
    const least = Math.max(SMALLEST_CHUNK, Math.ceil(backlog / STEPS_FOR_BACKLOG));
    return { tokens: Math.min(this.#fullChunk, Math.max(least, tokens)), perRow };
  }

  #stepsUntilAlone(rows: number): number {
    const hasChanged = rows > CHANGED * this.#aloneRows || this.#aloneRows > CHANGED * rows;
    return hasChanged ? 1 : STEPS_BETWEEN_ALONE;
  }

  #withinStretch(rows: number, stretch: number): PrefillAllowance {
    if (!this.#decode.known || !this.#prefill.known) return { tokens: 0, perRow: 0 };
    const msForPrefill = (stretch - 1) * this.#decodeMs(rows);
    const slope = this.#beside.slope ?? this.#prefillSlope();
    // A run reads all weights, whether prompts are in it or rows that decode.
    const fixedMs = Math.max(this.#prefill.estimate(0, slope), this.#decodeMs(0));
    const addedMs = this.#beside.known ? this.#beside.estimate(0, slope) : fixedMs;
    // An unmeasurably short run says nothing.
    if (slope <= 0) return { tokens: 0, perRow: 0 };
    return { tokens: Math.floor((msForPrefill - addedMs) / slope), perRow: Math.ceil(fixedMs / slope) };
  }

  /** Most of a step is what it takes however few rows there are, so one more costs no more than a prompt token does. */
  #decodeMs(rows: number): number {
    const slope = this.#decode.slope ?? this.#beside.slope ?? (this.#prefill.known ? this.#prefillSlope() : 0);
    return this.#decode.estimate(rows, slope);
  }

  /** ms a prompt token. */
  #prefillSlope(): number {
    const { slope, meanSize, meanMs } = this.#prefill;
    if (slope !== null) return slope;
    // Until prompts of several lengths have been read: decoding rows are about as much work as so many prompt tokens.
    const further = meanSize - this.#decode.meanSize;
    const dearer = meanMs - this.#decode.meanMs;
    return further > 0 && dearer > 0 ? Math.min(dearer / further, meanMs / meanSize) : meanMs / meanSize;
  }
}
