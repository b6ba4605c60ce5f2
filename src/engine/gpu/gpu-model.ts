/** A base model that is loaded for the GPU: weights, KV pool and adapter bank in its memory, and the runner over them. */
import { expectedTensors } from '../../formats/checkpoint/expected-tensors.js';
import { checkFileStamps } from '../../formats/checkpoint/file-stamps.js';
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { readCheckpoint } from '../../formats/checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { encodeDecoderGraph } from '../../graph/decoder-graph.js';
import type { GraphOptions } from '../../graph/graph-options.js';
import { ROTARY_COS, ROTARY_SIN } from '../../graph/pool-ports.js';
import { rotaryTables } from '../../graph/rotary.js';
import { longestRow } from '../kv-size.js';
import type { EngineMemory } from '../loaded-model.js';
import type { Feeds, Session } from '../ort.js';
import type { AdapterUse, EngineLimits, ModelSource } from '../protocol.js';
import type { RunnerRow } from '../runner.js';
import type { MergedModel, ServedModel } from '../served-model.js';
import type { GpuDevice } from './gpu-device.js';
import { GpuBank } from './gpu-bank.js';
import { GpuKv } from './gpu-kv.js';
import { GpuRunner } from './gpu-runner.js';
import type { GpuTensor } from './gpu-tensor.js';
import { GpuWeights } from './gpu-weights.js';

/** A decoder session on the GPU: its weights are inputs, its cache is a pool. */
export function gpuDecoder(
  device: GpuDevice,
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  lora: GraphOptions['lora'],
): Promise<Session> {
  const graph = encodeDecoderGraph(config, tensors, { lora, weights: 'inputs', cache: 'pool' });
  return device.load(graph, { wholeGraphOnDevice: true });
}

export class GpuModel implements ServedModel {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly kv: GpuKv;
  readonly bank: GpuBank;
  readonly #weights: GpuWeights;
  readonly #tables: Record<string, GpuTensor>;
  readonly #session: Session;
  readonly #runner: GpuRunner;

  private constructor(
    source: ModelSource,
    config: ModelConfig,
    parts: { session: Session; weights: GpuWeights; tables: Record<string, GpuTensor> },
    limits: EngineLimits,
    memory: EngineMemory,
    device: GpuDevice,
  ) {
    this.source = source;
    this.config = config;
    this.#session = parts.session;
    this.#weights = parts.weights;
    this.#tables = parts.tables;
    this.kv = new GpuKv(config, config.maxPositions, memory.kv, device);
    this.bank = new GpuBank(config, device, {
      rankBudget: limits.bankRankBudget,
      host: memory.host,
      source: (use) => memory.loader.load(use, config),
    });
    const tables = Object.entries(parts.tables).map(([name, { tensor }]) => [name, tensor] as const);
    const constant: Feeds = { ...parts.weights.feeds(), ...Object.fromEntries(tables) };
    this.#runner = new GpuRunner(config, parts.session, constant, this.kv, this.bank);
  }

  static async load(
    source: ModelSource,
    limits: EngineLimits,
    memory: EngineMemory,
    device: GpuDevice,
  ): Promise<GpuModel> {
    await checkFileStamps(source.folder);
    const checkpoint = await readCheckpoint(source.folder);
    const { config } = checkpoint;
    const tensors = new Map(
      [...expectedTensors(config).keys()].flatMap((name) => {
        const tensor = checkpoint.tensors.get(name);
        return tensor === undefined ? [] : [[name, tensor] as const];
      }),
    );
    const session = await gpuDecoder(device, config, tensors, 'shared');
    const weights = await GpuWeights.upload(device, source.folder, tensors);
    const { cos, sin } = rotaryTables(config, longestRow(config, limits.kvBudgetBytes));
    const dims = [cos.length / (config.headDim / 2), config.headDim / 2];
    const tables = { [ROTARY_COS]: await device.upload(cos, dims), [ROTARY_SIN]: await device.upload(sin, dims) };
    return new GpuModel(source, config, { session, weights, tables }, limits, memory, device);
  }

  /** Of the weights in the GPU's memory. */
  get bytes(): number {
    return this.#weights.bytes;
  }

  get mergedBytes(): number {
    return this.#weights.bytes;
  }

  /** See `GpuRunner.run`. */
  run(rows: readonly RunnerRow[]): Promise<Float32Array[]> {
    return this.#runner.run(rows);
  }

  merge(adapters: readonly AdapterUse[], signal: AbortSignal): Promise<MergedModel> {
    return Promise.reject(new Error(`not yet: ${adapters.length} ${signal.aborted}`));
  }

  async release(): Promise<void> {
    this.kv.dispose();
    await this.bank.free();
    await this.#session.release();
    this.#weights.release();
    for (const table of Object.values(this.#tables)) table.dispose();
  }
}
