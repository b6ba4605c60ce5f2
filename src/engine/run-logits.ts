/** The logits that a run computed, wherever they lie: what is asked of them is asked in blocks of tokens. */
import { blockCount, LOGIT_BLOCK } from '../graph/logit-blocks.js';
import { type BlockMasses, POSITIONS_AT_ONCE, type MassQuery } from './block-masses.js';
import { float32 } from './ort.js';

export interface BlockPlace {
  position: number;
  block: number;
}

/** Of positions in the order in which they were asked for. They are there until the model's next run. */
export interface RunLogits {
  readonly vocabSize: number;
  /** The largest of each block: [positions, blocks] */
  readonly maxima: Float32Array;
  /** Of a position's blocks, in order: [blocks] each; see `BlockMasses`. */
  massesOf(wanted: readonly MassQuery[]): Promise<Float32Array[]>;
  /** → [LOGIT_BLOCK] each, in order; the last block of a vocabulary may be shorter. */
  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]>;
  /** → [vocab] each, in order, the caller's to change */
  copy(positions: readonly number[]): Promise<Float32Array[]>;
  /** Those of a run of one position, in the CPU's memory. logits: [vocab] */
  ofOne(logits: Float32Array): RunLogits;
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

/** In the CPU's memory. */
export class HostLogits implements RunLogits {
  readonly vocabSize: number;
  readonly maxima: Float32Array;
  readonly #values: Float32Array;
  readonly #masses: BlockMasses;

  /** values: [positions, vocab] */
  constructor(vocabSize: number, values: Float32Array, maxima: Float32Array, masses: BlockMasses) {
    this.vocabSize = vocabSize;
    this.maxima = maxima;
    this.#values = values;
    this.#masses = masses;
  }

  massesOf(wanted: readonly MassQuery[]): Promise<Float32Array[]> {
    const logits = float32(this.#values, [this.#values.length / this.vocabSize, this.vocabSize]);
    return inTurns(wanted, (some) => this.#masses.compute(logits, some));
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

  ofOne(logits: Float32Array): RunLogits {
    return new HostLogits(this.vocabSize, logits, maximaOf(logits), this.#masses);
  }

  #position(position: number): Float32Array {
    return this.#values.subarray(position * this.vocabSize, (position + 1) * this.vocabSize);
  }
}

/** As many at once as `BlockMasses` takes. */
export async function inTurns<T>(
  wanted: readonly MassQuery[],
  compute: (some: readonly MassQuery[]) => Promise<T[]>,
): Promise<T[]> {
  const all: T[] = [];
  for (let begin = 0; begin < wanted.length; begin += POSITIONS_AT_ONCE) {
    all.push(...(await compute(wanted.slice(begin, begin + POSITIONS_AT_ONCE))));
  }
  return all;
}

/** logits: [vocab] → [blocks] */
export function maximaOf(logits: Float32Array): Float32Array {
  return Float32Array.from({ length: blockCount(logits.length) }, (_, block) => {
    let max = -Infinity;
    const end = Math.min(logits.length, (block + 1) * LOGIT_BLOCK);
    for (let id = block * LOGIT_BLOCK; id < end; id++) {
      const logit = logits[id] as number; // Inside the array.
      if (logit > max) max = logit;
    }
    return max;
  });
}
