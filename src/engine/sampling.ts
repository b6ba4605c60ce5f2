/**
 * Draws the next token from a row's logits.
 *
 * In order: logit bias, tokens that may not come yet, penalties, temperature, top-k, top-p over what top-k left, min-p.
 * A token on the edge of a cut is kept or not by its id (the lower id is kept first), so the kept set doesn't depend on
 * how it was found. Cuts are found by selection, never by sorting a vocabulary (150,000 tokens and more); the draw then
 * walks the vocabulary in id order.
 */
import { argmax } from './logprobs.js';
import type { SamplingParams } from './protocol.js';

/** What penalties look at. */
export interface TokenHistory {
  /** Tokens of prompt and output. */
  readonly seen: ReadonlySet<number>;
  /** Output token → how often it came. */
  readonly generated: ReadonlyMap<number, number>;
}

export class Sampler {
  /** Scratch, used anew for each draw. Scores become weights in place. */
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
   * logits: [vocab], finite → a token id. `random` gives the next number in [0, 1).
   * Tokens in `barred` are not drawn.
   */
  sample(
    logits: Float32Array,
    params: SamplingParams,
    history: TokenHistory,
    random: () => number,
    barred: readonly number[] = [],
  ): number {
    const greedy = params.temperature === 0;
    if (greedy && barred.length === 0 && !changesScores(params)) return argmax(logits);
    const scores = this.#weights;
    scores.set(logits);
    adjust(scores, params, history, barred);
    const best = argmax(scores);
    if (best < 0) return argmax(logits); // All was barred or biased away: nothing better is left than the model's own choice.
    return greedy ? best : this.#draw(scores[best] ?? 0, params, random);
  }

  /** `max` is the largest of the scratch scores. */
  #draw(max: number, params: SamplingParams, random: () => number): number {
    const { temperature, topK, topP, minP } = params;
    const cutsTop = topK > 0 && topK < this.#weights.length;
    this.#weigh(max, temperature, cutsTop ? floorOfTop(this.#weights, topK) : -Infinity);
    if (cutsTop) this.#cut(this.#select(0, topK, one));
    if (topP < 1) {
      const total = this.#total();
      // Tokens under (1 - p)·total/count weigh less than (1 - p)·total together: none of them is in the nucleus.
      this.#cut(this.#select(((1 - topP) * total) / this.#count, topP * total, itself));
    }
    // Relative to the likeliest token, so it doesn't matter what the other cuts left.
    if (minP > 0) this.#cut({ weight: minP, id: Infinity });
    return this.#pick(random());
  }

  /** Tokens with at least the score `floor` become candidates, and their scores weights: the likeliest weighs 1. */
  #weigh(max: number, temperature: number, floor: number): void {
    const weights = this.#weights;
    this.#count = 0;
    for (let id = 0; id < weights.length; id++) {
      const score = weights[id] as number; // Inside the array, as everywhere below.
      if (score < floor) continue;
      const weight = Math.exp((score - max) / temperature);
      if (weight === 0) continue;
      weights[id] = weight;
      this.#candidates[this.#count++] = id;
    }
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

/** How many blocks of the vocabulary a wanted token is worth, when a floor is looked for. */
const BLOCKS_A_TOKEN = 4;

/**
 * A score that at least `count` tokens reach, found in one light pass: the `count`th of the maxima of blocks. It leaves
 * few more than `count` to select from.
 */
function floorOfTop(scores: Float64Array, count: number): number {
  const size = Math.floor(scores.length / (count * BLOCKS_A_TOKEN));
  if (size < 2) return -Infinity;
  const maxima = new Float64Array(Math.ceil(scores.length / size)).fill(-Infinity);
  for (let block = 0, id = 0; block < maxima.length; block++) {
    let max = -Infinity;
    for (const end = Math.min(id + size, scores.length); id < end; id++) max = Math.max(max, scores[id] as number);
    maxima[block] = max;
  }
  return maxima.sort()[maxima.length - count] ?? -Infinity;
}

/** The last token that is kept, in the order of weight (falling), then id (rising). */
interface Edge {
  weight: number;
  id: number;
}

const one = (): number => 1;
const itself = (weight: number): number => weight;

/**
 * The edge of the smallest set of top entries whose `measure` reaches `target`: quickselect by measure (Hoare's FIND),
 * linear on average. Shuffles the first `count` ids.
 */
function selectTop(
  weights: Float64Array,
  ids: Int32Array,
  count: number,
  target: number,
  measure: (weight: number) => number,
): Edge {
  // All places are inside the arrays.
  const before = (a: number, b: number): boolean => {
    const wa = weights[a] as number;
    const wb = weights[b] as number;
    return wa > wb || (wa === wb && a < b);
  };
  const swap = (a: number, b: number): void => {
    const held = ids[a] as number;
    ids[a] = ids[b] as number;
    ids[b] = held;
  };
  let low = 0;
  let high = count; // The edge lies in [low, high).
  let reached = 0; // Measure of what lies before low.
  while (high - low > 1) {
    // Median of three, put last.
    const middle = (low + high) >> 1;
    if (before(ids[middle] as number, ids[low] as number)) swap(middle, low);
    if (before(ids[high - 1] as number, ids[low] as number)) swap(high - 1, low);
    if (before(ids[middle] as number, ids[high - 1] as number)) swap(middle, high - 1);
    const pivot = ids[high - 1] as number;
    let split = low;
    let upper = 0;
    for (let place = low; place < high - 1; place++) {
      const id = ids[place] as number;
      if (!before(id, pivot)) continue;
      upper += measure(weights[id] as number);
      swap(place, split++);
    }
    swap(split, high - 1); // The pivot stands at `split`.
    const withPivot = reached + upper + measure(weights[pivot] as number);
    if (split > low && reached + upper >= target) {
      high = split;
    } else if (withPivot >= target || split === high - 1) {
      low = split;
      break;
    } else {
      reached = withPivot;
      low = split + 1;
    }
  }
  const id = ids[low] as number;
  return { weight: weights[id] as number, id };
}

function changesScores(params: SamplingParams): boolean {
  return (
    params.repetitionPenalty !== 1 ||
    params.presencePenalty !== 0 ||
    params.frequencyPenalty !== 0 ||
    Object.keys(params.logitBias).length > 0
  );
}

/** scores: [vocab], changed in place. */
function adjust(scores: Float64Array, params: SamplingParams, history: TokenHistory, barred: readonly number[]): void {
  for (const [token, bias] of Object.entries(params.logitBias)) {
    const id = Number(token);
    if (id < scores.length) scores[id] = (scores[id] ?? 0) + bias;
  }
  for (const id of barred) if (id < scores.length) scores[id] = -Infinity;
  if (params.repetitionPenalty !== 1) {
    for (const id of history.seen) {
      const score = scores[id] ?? 0;
      // Past all numbers, scores could not be compared any more.
      const raised = Math.min(score / params.repetitionPenalty, Number.MAX_VALUE);
      scores[id] = score > 0 ? raised : score * params.repetitionPenalty;
    }
  }
  if (params.presencePenalty !== 0 || params.frequencyPenalty !== 0) {
    for (const [id, times] of history.generated) {
      scores[id] = (scores[id] ?? 0) - params.presencePenalty - params.frequencyPenalty * times;
    }
  }
}
