/**
 * The weight of each block of logits at a temperature, computed by the runtime: an exponential for each token of the
 * vocabulary is what would take longest of a draw.
 */
import { encodeWeighGraph, INVERSE_TEMPERATURE, LARGEST, WEIGHTS } from '../graph/logit-blocks.js';
import { LOGITS } from '../graph/ports.js';
import { float32, type InputTensor, type Session } from './ort.js';

/** Of one position. */
export interface Weighing {
  /** Of its logits. */
  largest: number;
  temperature: number;
}

const MAX_FLOAT32 = 3.4e38;

export class LogitWeigher {
  readonly #vocabSize: number;
  readonly #load: (graph: Uint8Array) => Promise<Session>;
  /** Loaded when it is first needed. */
  #session: Promise<Session> | null = null;

  constructor(vocabSize: number, load: (graph: Uint8Array) => Promise<Session>) {
    this.#vocabSize = vocabSize;
    this.#load = load;
  }

  /** logits: [n, vocab], for each of which there is a weighing → Σ exp((logit − largest) / temperature), [n, blocks] */
  async weigh(logits: InputTensor, weighings: readonly Weighing[]): Promise<Float32Array> {
    this.#session ??= this.#load(encodeWeighGraph(this.#vocabSize));
    const session = await this.#session;
    const column = (value: (weighing: Weighing) => number): InputTensor =>
      float32(Float32Array.from(weighings, value), [weighings.length, 1]);
    const { [WEIGHTS]: weights } = await session.run({
      [LOGITS]: logits,
      [LARGEST]: column(({ largest }) => largest),
      [INVERSE_TEMPERATURE]: column(({ temperature }) => Math.min(1 / temperature, MAX_FLOAT32)),
    });
    if (weights === undefined) throw new Error('the graph lacks the weights');
    return weights.data;
  }

  /** No call may be under way. */
  async release(): Promise<void> {
    const session = await this.#session;
    this.#session = null;
    await session?.release();
  }
}
