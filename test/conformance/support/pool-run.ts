/**
 * Runs a decoder graph of the GPU's form (weights as inputs, the cache a pool) on the CPU, whole sequences into an empty
 * pool: what of it doesn't depend on the device. The runtime's CPU has no float16 kernels for most operators and casts
 * around them, so that only what is stored in float16 is rounded.
 */
import { float16, float32, type InputTensor, Session, uint8 } from '../../../src/engine/ort.js';
import { readAsFed } from '../../../src/engine/gpu/gpu-weights.js';
import { gpuInputs } from '../../../src/engine/gpu/gpu-inputs.js';
import { linearModules, PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import type { Checkpoint } from '../../../src/formats/checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../../../src/formats/checkpoint/tensor-location.js';
import { TensorReader } from '../../../src/formats/checkpoint/tensor-reader.js';
import { encodeF16 } from '../../../src/formats/safetensors/half.js';
import { encodeDecoderGraph } from '../../../src/graph/decoder-graph.js';
import type { FloatType } from '../../../src/graph/graph-options.js';
import { BLOCK_POSITIONS, poolK, poolV, ROTARY_COS, ROTARY_SIN, TOKEN_CHECK } from '../../../src/graph/pool-ports.js';
import { loraA, loraB, LOGITS } from '../../../src/graph/ports.js';
import { rotaryTables } from '../../../src/graph/rotary.js';
import { fold } from '../../../src/lowrank/fold.js';
import type { WholeRow } from './whole-prompt.js';

export class PoolRun {
  readonly #checkpoint: Checkpoint;
  readonly #floatType: FloatType;
  readonly #session: Session;
  readonly #weights: Record<string, InputTensor>;

  private constructor(
    checkpoint: Checkpoint,
    floatType: FloatType,
    session: Session,
    weights: Record<string, InputTensor>,
  ) {
    this.#checkpoint = checkpoint;
    this.#floatType = floatType;
    this.#session = session;
    this.#weights = weights;
  }

  /** tensors: of the checkpoint, those that the graph is to use. */
  static async load(
    checkpoint: Checkpoint,
    floatType: FloatType,
    tensors: ReadonlyMap<string, TensorLocation> = checkpoint.tensors,
  ): Promise<PoolRun> {
    const { config, folder } = checkpoint;
    const options = { lora: 'shared', weights: 'inputs', cache: 'pool', floatType } as const;
    const session = await Session.load(
      { graph: encodeDecoderGraph(config, tensors, options), files: [] },
      { threads: 1 },
    );
    const reader = new TensorReader(folder);
    const weights: Record<string, InputTensor> = {};
    for (const [name, location] of tensors) {
      if (!session.inputNames.includes(name)) continue;
      const values = await readAsFed(reader, name, location, floatType);
      if (values instanceof Float32Array) weights[name] = float32(values, location.shape);
      else weights[name] = (values instanceof Uint16Array ? float16 : uint8)(values as never, location.shape);
    }
    await reader.close();
    const tables = rotaryTables(config, config.maxPositions);
    const dims = [config.maxPositions, config.headDim / 2];
    weights[ROTARY_COS] = float32(tables.cos, dims);
    weights[ROTARY_SIN] = float32(tables.sin, dims);
    return new PoolRun(checkpoint, floatType, session, weights);
  }

  /** → [tokens, vocab], and whether the graph found all numbers finite */
  async logits({ tokens, adapters }: WholeRow): Promise<{ logits: Float32Array; finite: boolean }> {
    const { config } = this.#checkpoint;
    const blocks = Math.ceil(tokens.length / BLOCK_POSITIONS);
    const feeds: Record<string, InputTensor> = { ...this.#weights };
    const lines = blocks * config.kvHeads * BLOCK_POSITIONS;
    for (let layer = 0; layer < config.layers; layer++) {
      for (const pool of [poolK(layer), poolV(layer)]) {
        feeds[pool] = this.#floats(new Float32Array(lines * config.headDim), [lines, config.headDim]);
      }
    }
    const ranks = PROJECTIONS.map((projection) => {
      const modules = linearModules(config).filter((module) => module.projection === projection);
      const spans = new Map<string, { offset: number; rank: number }>();
      let R = 0;
      for (const [i, { adapter }] of adapters.entries()) {
        const rank = Math.max(0, ...modules.map(({ name }) => adapter.deltas.get(name)?.rank ?? 0));
        spans.set(`${i}`, { offset: R, rank });
        R += rank;
      }
      for (const { name, inFeatures, outFeatures } of modules) {
        const [a, b] = [new Float32Array(R * inFeatures), new Float32Array(R * outFeatures)];
        for (const [i, { adapter }] of adapters.entries()) {
          const delta = adapter.deltas.get(name);
          if (delta === undefined) continue;
          const folded = fold(delta);
          // Every adapter has a span.
          const { offset } = spans.get(`${i}`)!;
          a.set(folded.a, offset * inFeatures);
          b.set(folded.b, offset * outFeatures);
        }
        feeds[loraA(name)] = this.#floats(a, [R, inFeatures]);
        feeds[loraB(name)] = this.#floats(b, [R, outFeatures]);
      }
      return { rows: R, spans };
    });
    const row = {
      row: 'row',
      tokens,
      start: 0,
      logitsAt: tokens.map((_, at) => at),
      adapters: adapters.map(({ weight }, i) => ({ digest: `${i}`, weight })),
    };
    const kv = { blocks: () => Array.from({ length: blocks }, (_, block) => block) };
    Object.assign(feeds, gpuInputs(config, kv, { rows: [row as never], tokens: tokens.length, ranks }));
    const { [LOGITS]: logits, [TOKEN_CHECK]: check } = await this.#session.run(feeds, [LOGITS, TOKEN_CHECK]);
    if (!logits || !check) throw new Error('The graph misses an output.');
    return { logits: logits.data, finite: check.data.every((value) => value === 0) };
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  #floats(values: Float32Array, dims: readonly number[]): InputTensor {
    return this.#floatType === 'float16' ? float16(encodeF16(values), dims) : float32(values, dims);
  }
}
