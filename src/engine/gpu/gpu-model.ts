/** A base model that is loaded for the GPU: weights, KV pool and adapter bank in its memory, and the runner over them. */
import { expectedTensors } from '../../formats/checkpoint/expected-tensors.js';
import { checkFileStamps } from '../../formats/checkpoint/file-stamps.js';
import { type Checkpoint, readCheckpoint } from '../../formats/checkpoint/read-checkpoint.js';
import { linearModules } from '../../formats/checkpoint/modules.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { isQuantizedIn, PARTS } from '../../formats/quantization/quantized-file.js';
import { ROTARY_COS, ROTARY_SIN } from '../../graph/pool-ports.js';
import { rotaryTables } from '../../graph/rotary.js';
import { longestRow } from '../kv-size.js';
import type { EngineMemory } from '../loaded-model.js';
import type { Session } from '../ort.js';
import type { AdapterUse, EngineLimits, ModelSource } from '../protocol.js';
import type { RowLogits } from '../run-logits.js';
import type { RunnerRow } from '../runner.js';
import type { ServedModel, WeightTypes } from '../served-model.js';
import { gpuMergedLaneBytes } from '../merged-size.js';
import { GpuBank } from './gpu-bank.js';
import { gpuDecoder } from './gpu-decoder.js';
import type { GpuDevice } from './gpu-device.js';
import { assertFits } from './gpu-fit.js';
import { GpuKv } from './gpu-kv.js';
import { type GpuBase, GpuMergedModel } from './gpu-merged-model.js';
import { GpuRunner } from './gpu-runner.js';
import { GpuWeights } from './gpu-weights.js';

export class GpuModel implements ServedModel {
  readonly source: ModelSource;
  readonly config: Checkpoint['config'];
  readonly kv: GpuKv;
  readonly bank: GpuBank;
  /** Of the weights in the GPU's memory. */
  readonly bytes: number;
  readonly mergedBytes: number;
  readonly weightTypes: WeightTypes;
  readonly #base: GpuBase;
  readonly #memory: EngineMemory;
  readonly #session: Session;
  readonly #runner: GpuRunner;

  private constructor(
    source: ModelSource,
    base: GpuBase,
    session: Session,
    memory: EngineMemory,
    limits: EngineLimits,
  ) {
    const { config, device, weights } = base;
    this.source = source;
    this.config = config;
    this.bytes = weights.bytes;
    this.mergedBytes = gpuMergedLaneBytes(config, device.floatType);
    this.weightTypes = { quantization: base.checkpoint.quantization, dtype: device.floatType };
    this.#base = base;
    this.#memory = memory;
    this.#session = session;
    this.kv = new GpuKv(config, config.maxPositions, memory.kv, device, memory.prefixes);
    this.bank = new GpuBank(config, device, {
      rankBudget: limits.bankRankBudget,
      host: memory.host,
      source: (use) => memory.loader.load(use, config),
    });
    this.#runner = new GpuRunner(base, session, weights.feeds(), this.kv, this.bank);
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
    const tensors = servedTensors(checkpoint);
    const tables = rotaryTables(config, longestRow(config, limits.kvBudgetBytes, device.elementBytes));
    const dims = [tables.cos.length / (config.headDim / 2), config.headDim / 2];
    assertFits(tensors, device, limits);
    const session = await gpuDecoder(device, config, tensors, 'shared');
    const weights = await GpuWeights.upload(device, source.folder, tensors, [
      [ROTARY_COS, { values: tables.cos, dims }],
      [ROTARY_SIN, { values: tables.sin, dims }],
    ]).catch(async (error: unknown) => {
      await session.release();
      throw error;
    });
    return new GpuModel(
      source,
      {
        device,
        config,
        checkpoint,
        tensors,
        weights,
        kvBudget: memory.kv,
        prefixes: memory.prefixes,
        threads: limits.threads,
      },
      session,
      memory,
      limits,
    );
  }

  /** See `GpuRunner.run`. */
  run(rows: readonly RunnerRow[]): Promise<RowLogits[]> {
    return this.#runner.run(rows);
  }

  async merge(adapters: readonly AdapterUse[], signal: AbortSignal): Promise<GpuMergedModel> {
    const path = await Promise.all(
      adapters.map(async (use) => ({
        // Read beside the bank: a path that is merged takes none of its ranks.
        adapter: this.#memory.host.get(use.digest) ?? (await this.#memory.loader.load(use, this.config)),
        weight: use.weight,
      })),
    );
    signal.throwIfAborted();
    return GpuMergedModel.merge(this.#base, path, signal);
  }

  async rest(): Promise<void> {
    this.bank.rest();
    await this.#runner.rest();
    // What the bank has said is carried out, though no run may come for long.
    await this.bank.ready(new Set());
  }

  async release(): Promise<void> {
    this.kv.dispose();
    await this.bank.free();
    await this.#runner.release();
    await this.#session.release();
    this.#base.weights.release();
  }
}

/** What the graph is fed: of a quantised linear the parts, of anything else the tensor of the checkpoint. */
function servedTensors({ config, tensors }: Checkpoint): Map<string, TensorLocation> {
  const names = new Set(expectedTensors(config).keys());
  for (const { name } of linearModules(config)) {
    if (!isQuantizedIn(tensors, name)) continue;
    names.delete(`${name}.weight`);
    for (const part of PARTS) names.add(part.name(name));
  }
  return new Map(
    [...names].flatMap((name) => {
      const tensor = tensors.get(name);
      return tensor === undefined ? [] : [[name, tensor] as const];
    }),
  );
}
