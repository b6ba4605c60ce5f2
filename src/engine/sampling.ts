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
  /** Scratch, used anew for each draw: scores become weights in place; ids are shuffled by the selection. */
  readonly #weights: Float64Array;
  readonly #ids: Int32Array;

  constructor(vocabSize: number) {
    this.#weights = new Float64Array(vocabSize);
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
    return greedy ? best : this.#draw(best, params, random);
  }

  /** Turns the scratch scores into weights, cuts and draws. */
  #draw(best: number, params: SamplingParams, random: () => number): number {
    const weights = this.#weights;
    const max = weights[best] ?? 0;
    let total = 0;
    for (let id = 0; id < weights.length; id++) {
      // The likeliest token has weight 1.
      const weight = Math.exp(((weights[id] ?? -Infinity) - max) / params.temperature);
      weights[id] = weight;
      total += weight;
    }
    let edge: Edge = { weight: params.minP, id: Infinity }; // Relative to the likeliest, so whatever other cuts leave.
    let kept: Edge = NO_CUT;
    if (params.topK > 0 && params.topK < weights.length) {
      kept = selectTop(weights, this.#ids, this.#gather(NO_CUT), params.topK, one);
      edge = stricter(edge, kept);
      total = this.#total(kept);
    }
    if (params.topP < 1) {
      // Tokens under (1 - p)·total/vocab weigh less than (1 - p)·total together: none of them is in the nucleus.
      const floor = { weight: ((1 - params.topP) * total) / weights.length, id: Infinity };
      const count = this.#gather(stricter(kept, floor));
      edge = stricter(edge, selectTop(weights, this.#ids, count, params.topP * total, itself));
    }
    return this.#pick(edge, random());
  }

  /** Puts the ids down to the edge to the front of the scratch; says how many they are. */
  #gather(edge: Edge): number {
    let count = 0;
    for (let id = 0; id < this.#weights.length; id++) {
      const weight = this.#weights[id] ?? 0;
      if (weight > 0 && within(edge, weight, id)) this.#ids[count++] = id;
    }
    return count;
  }

  #total(edge: Edge): number {
    let total = 0;
    for (let id = 0; id < this.#weights.length; id++) {
      const weight = this.#weights[id] ?? 0;
      if (within(edge, weight, id)) total += weight;
    }
    return total;
  }

  #pick(edge: Edge, uniform: number): number {
    const target = uniform * this.#total(edge);
    let passed = 0;
    let last = -1;
    for (let id = 0; id < this.#weights.length; id++) {
      const weight = this.#weights[id] ?? 0;
      if (weight === 0 || !within(edge, weight, id)) continue;
      passed += weight;
      last = id;
      if (passed > target) return id;
    }
    return last;
  }
}

/** The last token that is kept, in the order of weight (falling), then id (rising). */
interface Edge {
  weight: number;
  id: number;
}

const NO_CUT: Edge = { weight: 0, id: Infinity };

function within(edge: Edge, weight: number, id: number): boolean {
  return weight > edge.weight || (weight === edge.weight && id <= edge.id);
}

function stricter(a: Edge, b: Edge): Edge {
  return within(a, b.weight, b.id) ? b : a;
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
  const weightAt = (place: number): number => weights[ids[place] ?? 0] ?? 0;
  const before = (a: number, b: number): boolean => {
    const wa = weights[a] ?? 0;
    const wb = weights[b] ?? 0;
    return wa > wb || (wa === wb && a < b);
  };
  const swap = (a: number, b: number): void => {
    const held = ids[a] ?? 0;
    ids[a] = ids[b] ?? 0;
    ids[b] = held;
  };
  let low = 0;
  let high = count; // The edge lies in [low, high).
  let reached = 0; // Measure of what lies before low.
  while (high - low > 1) {
    // Median of three, put last.
    const middle = (low + high) >> 1;
    if (before(ids[middle] ?? 0, ids[low] ?? 0)) swap(middle, low);
    if (before(ids[high - 1] ?? 0, ids[low] ?? 0)) swap(high - 1, low);
    if (before(ids[middle] ?? 0, ids[high - 1] ?? 0)) swap(middle, high - 1);
    const pivot = ids[high - 1] ?? 0;
    let split = low;
    let upper = 0;
    for (let place = low; place < high - 1; place++) {
      if (!before(ids[place] ?? 0, pivot)) continue;
      upper += measure(weightAt(place));
      swap(place, split++);
    }
    swap(split, high - 1); // The pivot stands at `split`.
    if (split > low && reached + upper >= target) {
      high = split;
    } else if (reached + upper + measure(weightAt(split)) >= target || split === high - 1) {
      low = split;
      break;
    } else {
      reached += upper + measure(weightAt(split));
      low = split + 1;
    }
  }
  return { weight: weightAt(low), id: ids[low] ?? 0 };
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
      scores[id] = score > 0 ? score / params.repetitionPenalty : score * params.repetitionPenalty;
    }
  }
  if (params.presencePenalty !== 0 || params.frequencyPenalty !== 0) {
    for (const [id, times] of history.generated) {
      scores[id] = (scores[id] ?? 0) - params.presencePenalty - params.frequencyPenalty * times;
    }
  }
}
