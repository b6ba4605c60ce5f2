/** Logits in arrays, by blocks, without a runtime. Counts what is read. */
import type { MassQuery } from '../../../../src/engine/block-masses.js';
import { type BlockPlace, maximaOf, type RunLogits } from '../../../../src/engine/run-logits.js';
import { LOGIT_BLOCK } from '../../../../src/graph/logit-blocks.js';

export class PlainLogits implements RunLogits {
  readonly vocabSize: number;
  readonly maxima: Float32Array;
  blocksRead = 0;
  readonly #positions: readonly Float32Array[];

  /** [vocab] each */
  constructor(positions: readonly Float32Array[]) {
    this.vocabSize = positions[0]!.length;
    this.#positions = positions;
    this.maxima = Float32Array.from(positions.flatMap((logits) => [...maximaOf(logits)]));
  }

  massesOf(wanted: readonly MassQuery[]): Promise<Float32Array[]> {
    return Promise.resolve(
      wanted.map(({ position, largest, temperature }) =>
        Float32Array.from(maximaOf(this.#positions[position]!), (_, block) => {
          let sum = 0;
          for (const logit of this.#block(position, block)) sum += Math.exp((logit - largest) / temperature);
          return sum;
        }),
      ),
    );
  }

  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    this.blocksRead += wanted.length;
    return Promise.resolve(wanted.map(({ position, block }) => this.#block(position, block)));
  }

  copy(positions: readonly number[]): Promise<Float32Array[]> {
    return Promise.resolve(positions.map((position) => this.#positions[position]!.slice()));
  }

  ofOne(logits: Float32Array): RunLogits {
    return new PlainLogits([logits]);
  }

  #block(position: number, block: number): Float32Array {
    return this.#positions[position]!.subarray(block * LOGIT_BLOCK, (block + 1) * LOGIT_BLOCK);
  }
}
