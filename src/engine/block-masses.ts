/**
 * The probability mass of each block of logits at a temperature, not yet normalised. The runtime computes it: an exponential
 * for each token of the vocabulary is what would take longest of a draw.
 */
import { encodeMassGraph, INVERSE_TEMPERATURE, LARGEST, MASSES, POSITIONS } from '../graph/logit-blocks.js';
import { LOGITS } from '../graph/ports.js';
import { MAX_FLOAT32 } from './finite.js';
import { LazySession } from './lazy-session.js';
import { float32, type InputTensor, int64, Session } from './ort.js';

/** A position whose masses are wanted. */
export interface MassQuery {
  position: number;
  /** Of the position's logits. */
  largest: number;
  temperature: number;
}

/** Computed in one go, at the most: the runtime's temporaries take several times the memory of the logits. */
export const POSITIONS_AT_ONCE = 32;

export class BlockMasses {
  readonly #session: LazySession;

  /** `load`: a session on the device where the logits are. */
  constructor(vocabSize: number, load: (graph: Uint8Array) => Promise<Session>) {
    this.#session = new LazySession(() => load(encodeMassGraph(vocabSize)));
  }

  /**
   * logits: [K, vocab] → Σ exp((logit − largest) / temperature) over each block, [blocks] for each query, of which there
   * are no more than `POSITIONS_AT_ONCE`
   */
  async compute(logits: InputTensor, queries: readonly MassQuery[]): Promise<Float32Array[]> {
    const session = await this.#session.get();
    const column = (value: (query: MassQuery) => number): InputTensor =>
      float32(Float32Array.from(queries, value), [queries.length, 1]);
    const positions = BigInt64Array.from(queries, ({ position }) => BigInt(position));
    const { [MASSES]: masses } = await session.run({
      [LOGITS]: logits,
      [POSITIONS]: int64(positions, [positions.length]),
      [LARGEST]: column(({ largest }) => largest),
      // Finite and more than nothing, since the barred are infinitely far below.
      [INVERSE_TEMPERATURE]: column(({ temperature }) => clamp(1 / temperature, 1 / MAX_FLOAT32, MAX_FLOAT32)),
    });
    if (masses === undefined) throw new Error('the graph lacks the masses');
    const blocks = masses.data.length / queries.length;
    return queries.map((_, i) => masses.data.subarray(i * blocks, (i + 1) * blocks));
  }

  /** Gives back memory that nothing needed since the last call. No query may be under way. */
  rest(): Promise<void> {
    return this.#session.rest();
  }

  /** No query may be under way. */
  release(): Promise<void> {
    return this.#session.release();
  }
}

/** Of logits in the CPU's memory. */
export const hostMasses = (vocabSize: number, threads: number): BlockMasses =>
  new BlockMasses(vocabSize, (graph) => Session.load({ graph, files: [] }, { threads }));

/** Of the blocks of a position, summed in float64. */
export const totalOf = (masses: Float32Array): number => masses.reduce((sum, mass) => sum + mass, 0);

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(value, most));
