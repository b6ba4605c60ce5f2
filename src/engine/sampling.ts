/**
 * Draws the next token from a position's logits.
 *
 * In order: temperature, top-k, top-p over what top-k left, min-p; what changes scores before that is in
 * `score-changes.ts`. A token on the edge of a cut is kept or not by its id (the lower id is kept first), so the kept set
 * doesn't depend on how it was found. Cuts are found by selection, never by sorting a vocabulary (150,000 tokens and
 * more), and in those blocks only that can hold what is looked for; the draw then walks in id order.
 *
 * A token's weight is exp((logit - largest) / temperature): the likeliest weighs 1.
 */
import { LOGIT_BLOCK } from '../graph/logit-blocks.js';
import { argmax } from './logprobs.js';
import type { PositionLogits } from './position-logits.js';
import type { SamplingParams } from './protocol.js';
import { type Edge, itself, one, selectTop } from './select-top.js';

/** A draw whose outcome shows once some blocks are read. */
export interface Draw {
  /** Those that it looks at. */
  blocks: readonly number[];
  /** → a token id */
  finish: () => number;
}

/** Whether a draw needs the blocks' weights: it chooses among all tokens, or by their total. */
export function drawsByWeight({ temperature, topK, topP, minP }: SamplingParams, vocabSize: number): boolean {
  if (temperature === 0 || cutsTop(topK, vocabSize)) return false;
  return topP < 1 || minP === 0;
}

/** Of a logit's floor: far more than float64 loses. */
const ROUNDING = 1e-6;

const cutsTop = (topK: number, vocabSize: number): boolean => topK > 0 && topK < vocabSize;

export class Sampler {
  /** Scratch, used anew for each draw. By token id. */
  readonly #weights: Float64Array;
  /** Tokens that can still be drawn, rising: the first `#count`. */
  readonly #candidates: Int32Array;
  #count = 0;
  /** What a selection shuffles. */
  readonly #ids: Int32Array;

  constructor(vocabSize: number) {
    this.#weights = new Float64Array(vocabSize);
    this.#candidates = new Int32Array(vocabSize);
    this.#ids = new Int32Array(vocabSize);
  }

  /**
   * `random` gives the next number in [0, 1), and isn't asked at temperature 0. `weights`: of the blocks at the
   * temperature, where `drawsByWeight` says so. One draw is finished before the next one begins to be.
   */
  draw(logits: PositionLogits, params: SamplingParams, random: () => number, weights?: Float32Array): Draw {
    const { temperature, topK, topP, minP } = params;
    if (temperature === 0) return likeliest(logits);
    const uniform = random();
    const total = weights?.reduce((sum, weight) => sum + weight, 0);
    const isCut = cutsTop(topK, logits.vocabSize);
    if (!isCut && topP === 1 && minP === 0) return drawAmongAll(logits, { temperature, uniform }, weights);
    // Tokens under (1 - p)·total/V weigh less than (1 - p)·total together: none of them is in the nucleus. What top-k
    // leaves must be known whole, since top-p takes a share of it.
    const leastWeight = isCut ? 0 : Math.max(minP, topP < 1 ? ((1 - topP) * (total ?? 0)) / logits.vocabSize : 0);
    // A little less, which lets in nothing that the cuts would not find.
    const floor = logits.largest + temperature * Math.log(leastWeight) - ROUNDING;
    const leastLogit = isCut ? nthLargest(logits.maxima, topK) : floor;
    const blocks = placesWhere(logits.maxima, (max) => max >= leastLogit);
    const finish = (): number => {
      this.#gather(logits, blocks, leastLogit, temperature);
      return this.#cutAndPick(params, { isCut, leastWeight, total, uniform });
    };
    return { blocks, finish };
  }

  /** Tokens of the blocks with at least the logit `least` become candidates. */
  #gather(logits: PositionLogits, blocks: readonly number[], least: number, temperature: number): void {
    this.#count = 0;
    for (const block of blocks) {
      const first = block * LOGIT_BLOCK;
      const values = logits.block(block);
      for (let i = 0; i < values.length; i++) {
        const logit = values[i] as number; // Inside the array, as everywhere below.
        if (logit < least) continue;
        const weight = Math.exp((logit - logits.largest) / temperature);
        if (weight === 0) continue;
        this.#weights[first + i] = weight;
        this.#candidates[this.#count++] = first + i;
      }
    }
  }

  #cutAndPick(
    { topK, topP, minP }: SamplingParams,
    { isCut, leastWeight, total, uniform }: { isCut: boolean; leastWeight: number; total?: number; uniform: number },
  ): number {
    if (isCut) this.#cut(this.#select(0, topK, one));
    if (topP < 1) {
      const all = isCut || total === undefined ? this.#total() : total;
      const least = isCut ? ((1 - topP) * all) / this.#count : leastWeight;
      this.#cut(this.#select(least, topP * all, itself));
    }
    // Relative to the likeliest token, so it doesn't matter what the other cuts left.
    if (minP > 0) this.#cut({ weight: minP, id: Infinity });
    return this.#pick(uniform);
  }

  /** The edge of the fewest top candidates whose `measure` reaches `target`, known to weigh at least `floor` each. */
  #select(floor: number, target: number, measure: (weight: number) => number): Edge {
    let count = 0;
    for (let place = 0; place < this.#count; place++) {
      const id = this.#candidates[place] as number;
      if ((this.#weights[id] as number) >= floor) this.#ids[count++] = id;
    }
    return selectTop(this.#weights, this.#ids, count, target, measure);
  }

  #cut(edge: Edge): void {
    let kept = 0;
    for (let place = 0; place < this.#count; place++) {
      const id = this.#candidates[place] as number;
      const weight = this.#weights[id] as number;
      if (weight > edge.weight || (weight === edge.weight && id <= edge.id)) this.#candidates[kept++] = id;
    }
    this.#count = kept;
  }

  #total(): number {
    let total = 0;
    for (let place = 0; place < this.#count; place++)
      total += this.#weights[this.#candidates[place] as number] as number;
    return total;
  }

  #pick(uniform: number): number {
    const target = uniform * this.#total();
    let passed = 0;
    for (let place = 0; place < this.#count; place++) {
      const id = this.#candidates[place] as number;
      passed += this.#weights[id] as number;
      if (passed > target) return id;
    }
    // The likeliest token is never cut.
    return this.#candidates[this.#count - 1] as number;
  }
}

function likeliest(logits: PositionLogits): Draw {
  const block = argmax(logits.maxima);
  return { blocks: [block], finish: () => block * LOGIT_BLOCK + argmax(logits.block(block)) };
}

/** Without a cut the blocks' weights tell which block the draw falls into. */
function drawAmongAll(
  logits: PositionLogits,
  { temperature, uniform }: { temperature: number; uniform: number },
  weights: Float32Array = new Float32Array(0),
): Draw {
  const target = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  let chosen = argmax(weights);
  for (const [block, weight] of weights.entries()) {
    if (before + weight > target) {
      chosen = block;
      break;
    }
    before += weight;
  }
  const finish = (): number => {
    const values = logits.block(chosen);
    let passed = before;
    let last = 0;
    for (let i = 0; i < values.length; i++) {
      const weight = Math.exp(((values[i] as number) - logits.largest) / temperature);
      if (weight === 0) continue;
      last = i;
      passed += weight;
      if (passed > target) break;
    }
    // A block's weight is rounded, so that its tokens may not reach the target: then it is the last of them.
    return chosen * LOGIT_BLOCK + last;
  };
  return { blocks: [chosen], finish };
}

/** A value that at least `n` of all logits reach, given the largest of each block; it leaves few more than that. */
function nthLargest(maxima: Float32Array, n: number): number {
  return n > maxima.length ? -Infinity : (Float32Array.from(maxima).sort()[maxima.length - n] as number);
}

function placesWhere(values: Float32Array, keeps: (value: number) => boolean): number[] {
  const places: number[] = [];
  for (const [place, value] of values.entries()) if (keeps(value)) places.push(place);
  return places;
}
