/** The logits that a run computed, wherever they lie: what is asked of them is asked in blocks of tokens. */
import { blocksOf, LOGIT_BLOCK } from '../graph/logit-blocks.js';
import type { LogitWeigher, Weighing } from './logit-weigher.js';
import { float32 } from './ort.js';

export interface WeighedPosition extends Weighing {
  position: number;
}

export interface BlockPlace {
  position: number;
  block: number;
}

/** Of positions in the order in which they were asked for. They are there until the model's next run. */
export interface RunLogits {
  readonly vocabSize: number;
  /** The largest of each block: [positions, blocks] */
  readonly maxima: Float32Array;
  /** See `LogitWeigher`. Each position once → [blocks] each */
  weigh(wanted: readonly WeighedPosition[]): Promise<Float32Array[]>;
  /** → [LOGIT_BLOCK] each, in order; the last block of a vocabulary may be shorter. */
  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]>;
  /** → [vocab] each, the caller's to change */
  copy(positions: readonly number[]): Promise<Float32Array[]>;
  /** logits: [vocab], of a position, changed → those of a run with that position alone */
  changed(logits: Float32Array): RunLogits;
}

/** A row's part of them. */
export interface RowLogits {
  run: RunLogits;
  /** Its first position among those of the run, and how many there are. */
  first: number;
  count: number;
  /** False: the row's own numbers overflowed. */
  finite: boolean;
}

/** Weighed in one go, at the most: what is between takes as much memory again. */
const POSITIONS_AT_ONCE = 32;

/** In the CPU's memory. */
export class HostLogits implements RunLogits {
  readonly vocabSize: number;
  readonly maxima: Float32Array;
  readonly #values: Float32Array;
  readonly #weigher: LogitWeigher;

  /** values: [positions, vocab] */
  constructor(vocabSize: number, values: Float32Array, maxima: Float32Array, weigher: LogitWeigher) {
    this.vocabSize = vocabSize;
    this.maxima = maxima;
    this.#values = values;
    this.#weigher = weigher;
  }

  async weigh(wanted: readonly WeighedPosition[]): Promise<Float32Array[]> {
    const blocks = blocksOf(this.vocabSize);
    const weights: Float32Array[] = [];
    for (let begin = 0; begin < wanted.length; begin += POSITIONS_AT_ONCE) {
      const some = wanted.slice(begin, begin + POSITIONS_AT_ONCE);
      const logits = float32(this.#joined(some), [some.length, this.vocabSize]);
      const all = await this.#weigher.weigh(logits, some);
      for (const i of some.keys()) weights.push(all.subarray(i * blocks, (i + 1) * blocks));
    }
    return weights;
  }

  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    return Promise.resolve(
      wanted.map(({ position, block }) => {
        const begin = block * LOGIT_BLOCK;
        return this.#position(position).subarray(begin, begin + LOGIT_BLOCK);
      }),
    );
  }

  copy(positions: readonly number[]): Promise<Float32Array[]> {
    return Promise.resolve(positions.map((position) => this.#position(position).slice()));
  }

  changed(logits: Float32Array): RunLogits {
    return new HostLogits(this.vocabSize, logits, maximaOf(logits), this.#weigher);
  }

  #position(position: number): Float32Array {
    return this.#values.subarray(position * this.vocabSize, (position + 1) * this.vocabSize);
  }

  #joined(wanted: readonly WeighedPosition[]): Float32Array {
    const [first] = wanted;
    if (first !== undefined && wanted.every(({ position }, i) => position === first.position + i)) {
      const begin = first.position * this.vocabSize;
      return this.#values.subarray(begin, begin + wanted.length * this.vocabSize);
    }
    const joined = new Float32Array(wanted.length * this.vocabSize);
    for (const [i, { position }] of wanted.entries()) joined.set(this.#position(position), i * this.vocabSize);
    return joined;
  }
}

/** logits: [vocab] → [blocks] */
export function maximaOf(logits: Float32Array): Float32Array {
  return Float32Array.from({ length: blocksOf(logits.length) }, (_, block) => {
    let max = -Infinity;
    const end = Math.min(logits.length, (block + 1) * LOGIT_BLOCK);
    for (let id = block * LOGIT_BLOCK; id < end; id++) {
      const logit = logits[id] as number; // Inside the array.
      if (logit > max) max = logit;
    }
    return max;
  });
}
