/**
 * A path merged into weights of its own, in the GPU's memory: W + Σ w·s·B·A is computed there, from the base's weights
 * where they lie, and what no adapter touches is shared with the base. Only the adapters cross the bus; with a linear of the
 * base that is quantised there, the weight that it was made from does too, one at a time. What is merged isn't quantised.
 */
import { EMBEDDING, LM_HEAD } from '../../formats/checkpoint/expected-tensors.js';
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { linearModules } from '../../formats/checkpoint/modules.js';
import type { Checkpoint } from '../../formats/checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { TensorReader } from '../../formats/checkpoint/tensor-reader.js';
import { PARTS } from '../../formats/quantization/quantized-file.js';
import { concatenateFolded } from '../../lowrank/concatenate-folded.js';
import type { ByteBudget } from '../byte-budget.js';
import type { WeightedAdapter } from '../merged-weights.js';
import { NO_ADAPTERS } from '../no-adapters.js';
import type { Session } from '../ort.js';
import type { PrefixCache } from '../prefix-cache.js';
import type { RowLogits } from '../run-logits.js';
import type { RunnerRow } from '../runner.js';
import type { MergedModel } from '../served-model.js';
import { gpuDecoder } from './gpu-decoder.js';
import type { GpuDevice } from './gpu-device.js';
import { GpuKv } from './gpu-kv.js';
import { GpuRunner } from './gpu-runner.js';
import type { GpuTensor } from './gpu-tensor.js';
import { GpuWeight, type GpuWeights, readAsFed } from './gpu-weights.js';

export interface GpuBase {
  device: GpuDevice;
  config: ModelConfig;
  checkpoint: Checkpoint;
  /** Of the checkpoint's, those that lie there. */
  tensors: ReadonlyMap<string, TensorLocation>;
  weights: GpuWeights;
  kvBudget: ByteBudget;
  prefixes: PrefixCache;
  /** Of what is computed in the CPU's memory. */
  threads: number;
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
    this.#runner = new GpuRunner({ ...base, config }, session, weights.feeds(), this.kv, nothing);
  }

  static async merge(base: GpuBase, path: readonly WeightedAdapter[], signal: AbortSignal): Promise<GpuMergedModel> {
    const merged = await mergeOnGpu(base, path, signal);
    const tied = base.config.tiedEmbeddings && !merged.has(LM_HEAD);
    const config = { ...base.config, tiedEmbeddings: tied };
    const bytes = [...merged.values()].reduce((sum, { gpu }) => sum + gpu.bytes, 0);
    const modules = [...merged.keys()].map((weight) => weight.replace(/\.weight$/, ''));
    const parts = new Set(modules.flatMap((module) => PARTS.map(({ name }) => name(module))));
    const weights = base.weights.shareWith(merged, parts);
    try {
      const tensors = new Map(base.tensors);
      for (const part of parts) tensors.delete(part);
      for (const name of merged.keys()) {
        const source = sourceOf(base, name);
        if (source !== undefined) tensors.set(name, source);
      }
      const session = await gpuDecoder(base.device, config, tensors, 'none');
      return new GpuMergedModel(base, config, session, weights, bytes);
    } catch (error) {
      weights.release();
      throw error;
    }
  }

  /** See `GpuRunner.run`. */
  run(rows: readonly RunnerRow[]): Promise<RowLogits[]> {
    return this.#runner.run(rows);
  }

  rest(): Promise<void> {
    return this.#runner.rest();
  }

  async release(): Promise<void> {
    this.kv.dispose();
    await this.#runner.release();
    await this.#session.release();
    this.#weights.release();
  }
}

/** The weights that the path touches, by the names of the checkpoint; a tied lm_head by a name of its own. */
async function mergeOnGpu(
  base: GpuBase,
  path: readonly WeightedAdapter[],
  signal: AbortSignal,
): Promise<Map<string, GpuWeight>> {
  const { device, config, checkpoint } = base;
  const merged = new Map<string, GpuWeight>();
  const reader = new TensorReader(checkpoint.folder);
  try {
    for (const { name } of linearModules(config)) {
      const parts = path.flatMap(({ adapter, weight }) => {
        const delta = adapter.deltas.get(name);
        return delta === undefined ? [] : [{ delta, weight }];
      });
      if (parts.length === 0) continue;
      signal.throwIfAborted();
      const sum = await withDense(base, reader, `${name}.weight`, (weight) =>
        device.merge(weight, concatenateFolded(parts)),
      );
      merged.set(`${name}.weight`, new GpuWeight(sum));
    }
    return merged;
  } catch (error) {
    for (const weight of merged.values()) weight.drop();
    throw error;
  } finally {
    await reader.close();
  }
}

/** Calls `body` with the weight as it was before it was quantised: where it lies, or taken up for just that. */
async function withDense<T>(
  base: GpuBase,
  reader: TensorReader,
  name: string,
  body: (weight: GpuTensor) => Promise<T>,
): Promise<T> {
  const { device, config, weights } = base;
  const there = weights.get(name) ?? (name === LM_HEAD && config.tiedEmbeddings ? weights.get(EMBEDDING) : undefined);
  if (there !== undefined) return body(there.gpu);
  const source = sourceOf(base, name);
  if (source === undefined) throw new Error(`the checkpoint has no ${name}`);
  const weight = await device.upload(await readAsFed(reader, name, source, device.floatType), source.shape);
  try {
    return await body(weight);
  } finally {
    weight.dispose();
  }
}

/** A tied lm_head is the embedding. */
function sourceOf({ checkpoint: { config, tensors } }: GpuBase, name: string): TensorLocation | undefined {
  return tensors.get(name === LM_HEAD && config.tiedEmbeddings ? EMBEDDING : name);
}
