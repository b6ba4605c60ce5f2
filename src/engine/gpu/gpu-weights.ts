/**
 * Weights in the GPU's memory, by the names of the checkpoint, as float32. Several lanes may use one tensor: it goes with
 * the last of them.
 */
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { TensorReader } from '../../formats/checkpoint/tensor-reader.js';
import type { Feeds } from '../ort.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

export class GpuWeight {
  readonly gpu: GpuTensor;
  #users = 1;

  constructor(gpu: GpuTensor) {
    this.gpu = gpu;
  }

  /** One more user, who calls `drop` too. */
  share(): this {
    this.#users++;
    return this;
  }

  drop(): void {
    if (--this.#users === 0) this.gpu.dispose();
  }
}

/** What is computed at load and fed as weights are. */
export interface Table {
  values: Float32Array;
  dims: readonly number[];
}

export class GpuWeights {
  readonly #weights: ReadonlyMap<string, GpuWeight>;

  /** The weights are ours from now on. */
  constructor(weights: ReadonlyMap<string, GpuWeight>) {
    this.#weights = weights;
  }

  /** Reads tensor by tensor, so that no more than one is in the CPU's memory. */
  static async upload(
    device: GpuDevice,
    folder: string,
    tensors: Iterable<readonly [string, TensorLocation]>,
    tables: Iterable<readonly [string, Table]>,
  ): Promise<GpuWeights> {
    const weights = new Map<string, GpuWeight>();
    const reader = new TensorReader(folder);
    try {
      for (const [name, location] of tensors) {
        const values = new Float32Array(location.shape.reduce((product, size) => product * size, 1));
        await reader.readFloat32(location, values);
        weights.set(name, new GpuWeight(await device.upload(values, location.shape)));
      }
      for (const [name, { values, dims }] of tables) {
        weights.set(name, new GpuWeight(await device.upload(values, dims)));
      }
      return new GpuWeights(weights);
    } catch (error) {
      for (const weight of weights.values()) weight.drop();
      throw error;
    } finally {
      await reader.close();
    }
  }

  get bytes(): number {
    return [...this.#weights.values()].reduce((sum, { gpu }) => sum + gpu.bytes, 0);
  }

  get(name: string): GpuWeight | undefined {
    return this.#weights.get(name);
  }

  /** The same weights but for `others`, which take their places or join them. Both are released. */
  shareWith(others: ReadonlyMap<string, GpuWeight>): GpuWeights {
    const weights = new Map(others);
    for (const [name, weight] of this.#weights) if (!weights.has(name)) weights.set(name, weight.share());
    return new GpuWeights(weights);
  }

  feeds(): Feeds {
    return Object.fromEntries([...this.#weights].map(([name, { gpu }]) => [name, gpu.tensor]));
  }

  release(): void {
    for (const weight of this.#weights.values()) weight.drop();
  }
}
