/** What is known of the logits of one position: the largest of each block of tokens, and the blocks that were read. */
import { LOGIT_BLOCK } from '../graph/logit-blocks.js';
import { nthLargest } from './select-top.js';

export class PositionLogits {
  readonly vocabSize: number;
  /** [blocks] */
  readonly maxima: Float32Array;
  /** Of all logits. */
  readonly largest: number;
  readonly #blocks = new Map<number, Float32Array>();

  constructor(vocabSize: number, maxima: Float32Array) {
    this.vocabSize = vocabSize;
    this.maxima = maxima;
    this.largest = maxima.reduce((most, max) => Math.max(most, max), -Infinity);
  }

  has(block: number): boolean {
    return this.#blocks.has(block);
  }

  /** values: [LOGIT_BLOCK]; what is behind the vocabulary's end isn't looked at. */
  add(block: number, values: Float32Array): void {
    this.#blocks.set(block, values.subarray(0, this.vocabSize - block * LOGIT_BLOCK));
  }

  /** Of a block that was read. */
  block(block: number): Float32Array {
    const values = this.#blocks.get(block);
    if (values === undefined) throw new Error(`block ${block} of the logits was not read`);
    return values;
  }

  /** A logit that at least `n` of those in the blocks reach, found in one light pass; it leaves few more than that. */
  nthLargestOf(blocks: readonly number[], n: number): number {
    if (n <= blocks.length) return nthLargest(this.maxima, n);
    // Too few blocks to tell by: parts of them do, four for each logit that is looked for.
    const size = Math.floor((blocks.length * LOGIT_BLOCK) / (4 * n));
    if (size < 2) return -Infinity;
    const maxima: number[] = [];
    for (const block of blocks) {
      const values = this.block(block);
      for (let begin = 0; begin < values.length; begin += size) {
        const end = Math.min(begin + size, values.length);
        let max = -Infinity;
        for (let i = begin; i < end; i++) {
          const logit = values[i] as number; // Inside the array.
          if (logit > max) max = logit;
        }
        maxima.push(max);
      }
    }
    return nthLargest(Float32Array.from(maxima), n);
  }

  /** Of a token whose block was read. */
  logit(token: number): number {
    return this.block(blockOf(token))[token % LOGIT_BLOCK] ?? NaN;
  }
}

export const blockOf = (token: number): number => Math.floor(token / LOGIT_BLOCK);
