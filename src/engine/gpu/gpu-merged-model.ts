/**
 * A path merged into weights of its own, in the GPU's memory: W + Σ w·s·B·A is computed there, from the base's weights
 * where they lie, and what no adapter touches is shared with the base. Only the adapters cross the bus.
 */
import { EMBEDDING, LM_HEAD } from '../../formats/checkpoint/expected-tensors.js';
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { linearModules } from '../../formats/checkpoint/modules.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { concatenateFolded } from '../../lowrank/concatenate-folded.js';
import type { ByteBudget } from '../byte-budget.js';
import type { WeightedAdapter } from '../merged-weights.js';
import { NO_ADAPTERS } from '../no-adapters.js';
import type { Session } from '../ort.js';
import type { PrefixCache } from '../prefix-cache.js';
import type { RunnerRow } from '../runner.js';
import type { MergedModel } from '../served-model.js';
import { gpuDecoder } from './gpu-decoder.js';
import type { GpuDevice } from './gpu-device.js';
import { GpuKv } from './gpu-kv.js';
import { GpuRunner } from './gpu-runner.js';
import { GpuWeight, type GpuWeights } from './gpu-weights.js';

export interface GpuBase {
  device: GpuDevice;
  config: ModelConfig;
  tensors: ReadonlyMap<string, TensorLocation>;
  weights: GpuWeights;
  kvBudget: ByteBudget;
  prefixes: PrefixCache;
}

export class GpuMergedModel implements MergedModel {
  readonly config: ModelConfig;
  readonly kv: GpuKv;
  readonly bank = NO_ADAPTERS;
  readonly bytes: number;
  readonly #weights: GpuWeights;
  readonly #session: Session;
  readonly #runner: GpuRunner;

  private constructor(base: GpuBase, config: ModelConfig, session: Session, weights: GpuWeights, bytes: number) {
    this.config = config;
    this.bytes = bytes;
    this.#session = session;
    this.#weights = weights;
    this.kv = new GpuKv(config, config.maxPositions, base.kvBudget, base.device, base.prefixes);
    const nothing = { ready: () => Promise.resolve([]) };
    this.#runner = new GpuRunner(config, session, weights.feeds(), this.kv, nothing);
  }

  static async merge(base: GpuBase, path: readonly WeightedAdapter[], signal: AbortSignal): Promise<GpuMergedModel> {
    const merged = await mergeOnGpu(base, path, signal);
    const tied = base.config.tiedEmbeddings && !merged.has(LM_HEAD);
    const config = { ...base.config, tiedEmbeddings: tied };
    const bytes = [...merged.values()].reduce((sum, { gpu }) => sum + gpu.bytes, 0);
    const weights = base.weights.shareWith(merged);
    try {
      const embedding = base.tensors.get(EMBEDDING);
      const tensors = new Map(base.tensors);
      if (merged.has(LM_HEAD) && embedding !== undefined) tensors.set(LM_HEAD, embedding);
      const session = await gpuDecoder(base.device, config, tensors, 'none');
      return new GpuMergedModel(base, config, session, weights, bytes);
    } catch (error) {
      weights.release();
      throw error;
    }
  }

  /** See `GpuRunner.run`. */
  run(rows: readonly RunnerRow[]): Promise<Float32Array[]> {
    return this.#runner.run(rows);
  }

  async release(): Promise<void> {
    this.kv.dispose();
    await this.#session.release();
    this.#weights.release();
  }
}

/** The weights that the path touches, by the names of the checkpoint; a tied lm_head by a name of its own. */
async function mergeOnGpu(
  { device, config, weights }: GpuBase,
  path: readonly WeightedAdapter[],
  signal: AbortSignal,
): Promise<Map<string, GpuWeight>> {
  const merged = new Map<string, GpuWeight>();
  try {
    for (const { name } of linearModules(config)) {
      const parts = path.flatMap(({ adapter, weight }) => {
        const delta = adapter.deltas.get(name);
        return delta === undefined ? [] : [{ delta, weight }];
      });
      if (parts.length === 0) continue;
      signal.throwIfAborted();
      const base = weights.get(`${name}.weight`) ?? (name === 'lm_head' ? weights.get(EMBEDDING) : undefined);
      if (base === undefined) throw new Error(`the GPU has no weight of ${name}`);
      merged.set(`${name}.weight`, new GpuWeight(await device.merge(base.gpu, concatenateFolded(parts))));
    }
    return merged;
  } catch (error) {
    for (const weight of merged.values()) weight.drop();
    throw error;
  }
}
