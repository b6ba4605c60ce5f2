/**
 * The weight of each block of logits at a temperature, computed by the runtime: an exponential for each token of the
 * vocabulary is what would take longest of a draw.
 */
import { encodeWeighGraph, INVERSE_TEMPERATURE, LARGEST, POSITIONS, WEIGHTS } from '../graph/logit-blocks.js';
import { LOGITS } from '../graph/ports.js';
import { MAX_FLOAT32 } from './finite.js';
import { LazySession } from './lazy-session.js';
import { float32, type InputTensor, int64, Session } from './ort.js';

/** How a position is weighed. */
export interface Weighing {
  position: number;
  /** Of the position's logits. */
  largest: number;
  temperature: number;
}

/** Weighed in one go, at the most: the runtime's temporaries take several times the memory of the logits. */
export const POSITIONS_AT_ONCE = 32;

export class LogitWeigher {
  readonly #session: LazySession;

  /** `load`: a session on the device where the logits are. */
  constructor(vocabSize: number, load: (graph: Uint8Array) => Promise<Session>) {
    this.#session = new LazySession(() => load(encodeWeighGraph(vocabSize)));
  }

  /**
   * logits: [K, vocab] → Σ exp((logit − largest) / temperature) over each block, [blocks] for each weighing, of which there
   * are no more than `POSITIONS_AT_ONCE`
   */
  async weigh(logits: InputTensor, weighings: readonly Weighing[]): Promise<Float32Array[]> {
    const session = await this.#session.get();
    const column = (value: (weighing: Weighing) => number): InputTensor =>
      float32(Float32Array.from(weighings, value), [weighings.length, 1]);
    const positions = BigInt64Array.from(weighings, ({ position }) => BigInt(position));
    const { [WEIGHTS]: weights } = await session.run({
      [LOGITS]: logits,
      [POSITIONS]: int64(positions, [positions.length]),
      [LARGEST]: column(({ largest }) => largest),
      // Finite and more than nothing, since the barred are infinitely far below.
      [INVERSE_TEMPERATURE]: column(({ temperature }) => clamp(1 / temperature, 1 / MAX_FLOAT32, MAX_FLOAT32)),
    });
    if (weights === undefined) throw new Error('the graph lacks the weights');
    const blocks = weights.data.length / weighings.length;
    return weighings.map((_, i) => weights.data.subarray(i * blocks, (i + 1) * blocks));
  }

  /** Gives back memory that nothing needed since the last call. No weighing may be under way. */
  rest(): Promise<void> {
    return this.#session.rest();
  }

  /** No weighing may be under way. */
  release(): Promise<void> {
    return this.#session.release();
  }
}

/** Of logits in the CPU's memory. */
export const hostWeigher = (vocabSize: number, threads: number): LogitWeigher =>
  new LogitWeigher(vocabSize, (graph) => Session.load({ graph, files: [] }, { threads }));

/** Of the blocks of a position, summed in float64. */
export const totalOf = (weights: Float32Array): number => weights.reduce((sum, weight) => sum + weight, 0);

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(value, most));
