/**
 * Draws the next token from a position's logits.
 *
 * In order: top-k, temperature, top-p over what top-k left, min-p; what changes scores before that is in
 * `logits-processing.ts`. A token on the edge of a cut is kept or not by its id (the lower id is kept first), so the kept set
 * doesn't depend on how it was found. Cuts are found by selection, never by sorting a vocabulary (150,000 tokens and
 * more), and in those blocks only that can hold what is looked for; the draw then walks in id order.
 *
 * A token's weight is exp((logit - largest) / temperature): the likeliest weighs 1. A block's mass is the sum of its tokens'.
 */
import { LOGIT_BLOCK } from '../graph/logit-blocks.js';
import { totalOf } from './block-masses.js';
import { argmax } from './logprobs.js';
import type { PositionLogits } from './position-logits.js';
import type { SamplingParams } from './protocol.js';
import { byCount, byWeight, type Edge, nthLargest, selectTop } from './select-top.js';

/** A draw whose outcome shows once some blocks are read. */
export interface Draw {
  /** Those that it looks at. */
  blocks: readonly number[];
  /** → a token id */
  finish: () => number;
}

type DrawKind = 'likeliest' | 'top-k' | 'nucleus' | 'min-p' | 'all';

/** By the cut that comes first. */
function kindOf({ temperature, topK, topP, minP }: SamplingParams, vocabSize: number): DrawKind {
  if (temperature === 0) return 'likeliest';
  if (topK > 0 && topK < vocabSize) return 'top-k';
  if (topP < 1) return 'nucleus';
  return minP > 0 ? 'min-p' : 'all';
}

/** Whether a draw goes by the masses of all blocks. */
export const drawsByMass = (params: SamplingParams, vocabSize: number): boolean =>
  ['nucleus', 'all'].includes(kindOf(params, vocabSize));

/** Of a logit's floor: far more than float64 loses. */
const ROUNDING = 1e-6;

export class Sampler {
  /** Scratch of `finish`, by token id: logits of candidates, and then their weights. Draws may be open side by side. */
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
   * `random` gives the next number in [0, 1), and isn't asked at temperature 0. `masses`: of the blocks at the
   * temperature, where `drawsByMass`.
   */
  draw(logits: PositionLogits, params: SamplingParams, random: () => number, masses?: Float32Array): Draw {
    switch (kindOf(params, logits.vocabSize)) {
      case 'likeliest':
        return likeliest(logits);
      case 'top-k':
        return this.#drawTop(logits, params, random());
      case 'nucleus':
        return this.#drawNucleus(logits, totalOf(known(masses)), params, random());
      case 'min-p':
        return this.#drawAbove(logits, params.minP, params, random());
      case 'all':
        return drawAmongAll(logits, known(masses), params.temperature, random());
    }
  }

  #drawTop(logits: PositionLogits, params: SamplingParams, uniform: number): Draw {
    const { topK } = params;
    const blocks = topK > logits.maxima.length ? everyPlace(logits.maxima) : reaching(logits, topK);
    const finish = (): number => {
      this.#gather(logits, blocks, logits.nthLargestOf(blocks, topK));
      this.#cut(this.#select(-Infinity, topK, byCount));
      this.#weigh(logits.largest, params.temperature);
      const total = this.#total();
      return this.#cutAndPick(params, { total, least: ((1 - params.topP) * total) / this.#count, uniform });
    };
    return { blocks, finish };
  }

  #drawNucleus(logits: PositionLogits, total: number, params: SamplingParams, uniform: number): Draw {
    // Tokens under (1 - p)·total/V weigh less than (1 - p)·total together: none of them is in the nucleus. The likeliest
    // is in any case.
    const least = Math.min(1, ((1 - params.topP) * total) / logits.vocabSize);
    return this.#drawAbove(logits, Math.max(least, params.minP), params, uniform, { total, least });
  }

  /** Among tokens of a weight of at least `leastWeight`. `nucleus`: of all tokens, where top-p takes a share of them. */
  #drawAbove(
    logits: PositionLogits,
    leastWeight: number,
    params: SamplingParams,
    uniform: number,
    nucleus?: { total: number; least: number },
  ): Draw {
    // A little lower, which lets in nothing that the cuts would not find.
    const floor = logits.largest + params.temperature * Math.log(leastWeight) - ROUNDING;
    const blocks = everyPlace(logits.maxima).filter((block) => (logits.maxima[block] as number) >= floor);
    const finish = (): number => {
      this.#gather(logits, blocks, floor);
      this.#weigh(logits.largest, params.temperature);
      return this.#cutAndPick(params, { total: 0, least: 0, ...nucleus, uniform });
    };
    return { blocks, finish };
  }

  /** Tokens of the blocks with at least the logit `least` become candidates. */
  #gather(logits: PositionLogits, blocks: readonly number[], least: number): void {
    this.#count = 0;
    for (const block of blocks) {
      const first = block * LOGIT_BLOCK;
      const values = logits.block(block);
      for (let i = 0; i < values.length; i++) {
        const logit = values[i] as number; // Inside the array, as everywhere below.
        if (logit < least) continue;
        this.#weights[first + i] = logit;
        this.#candidates[this.#count++] = first + i;
      }
    }
  }

  /** Logits of the candidates become weights; what weighs nothing is no candidate any more. */
  #weigh(largest: number, temperature: number): void {
    let kept = 0;
    for (let place = 0; place < this.#count; place++) {
      const id = this.#candidates[place] as number;
      const weight = Math.exp(((this.#weights[id] as number) - largest) / temperature);
      if (weight === 0) continue;
      this.#weights[id] = weight;
      this.#candidates[kept++] = id;
    }
    this.#count = kept;
  }

  /** `total`: what top-p takes a share of; `least`: what weighs less isn't in that share. */
  #cutAndPick(
    { topP, minP }: SamplingParams,
    { total, least, uniform }: { total: number; least: number; uniform: number },
  ): number {
    if (topP < 1) this.#cut(this.#select(least, topP * total, byWeight));
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

/** Without a cut the blocks' masses tell which block the draw falls into, and how far into it. */
function drawAmongAll(logits: PositionLogits, masses: Float32Array, temperature: number, uniform: number): Draw {
  const target = uniform * totalOf(masses);
  let chosen = 0;
  let before = 0;
  for (const [block, mass] of masses.entries()) {
    if (mass === 0) continue;
    // The last of them where rounding has the sum end below the target.
    chosen = block;
    if (before + mass > target) break;
    before += mass;
  }
  const share = Math.min(1, (target - before) / (masses[chosen] as number));
  const finish = (): number => {
    const within = Float64Array.from(logits.block(chosen), (logit) => Math.exp((logit - logits.largest) / temperature));
    // The block's mass was rounded to float32; a share of it is a share of this sum.
    const reach = share * within.reduce((sum, weight) => sum + weight, 0);
    let last = 0;
    let passed = 0;
    for (const [i, weight] of within.entries()) {
      if (weight === 0) continue;
      last = i;
      passed += weight;
      if (passed > reach) break;
    }
    return chosen * LOGIT_BLOCK + last;
  };
  return { blocks: [chosen], finish };
}

function known(masses: Float32Array | undefined): Float32Array {
  if (masses === undefined) throw new Error('a draw that goes by the masses of blocks has none');
  return masses;
}

/** The blocks that can hold one of the `n` largest logits; n is no more than there are blocks. */
function reaching({ maxima }: PositionLogits, n: number): number[] {
  const least = nthLargest(maxima, n);
  return everyPlace(maxima).filter((block) => (maxima[block] as number) >= least);
}

const everyPlace = (values: Float32Array): number[] => [...values.keys()];
