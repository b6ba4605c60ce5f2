/**
 * Weights in the GPU's memory, by the names of the checkpoint: matrices in the device's float type, vectors in float32,
 * quantised ones as they are stored. Several lanes may use one tensor: it goes with the last of them.
 */
import { Float16ExceededError } from '../../errors/gpu.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { TensorReader } from '../../formats/checkpoint/tensor-reader.js';
import { encodeBF16AsF16, encodeF16, isFiniteF16 } from '../../formats/safetensors/half.js';
import type { FloatType } from '../../graph/graph-options.js';
import { inputType } from '../../graph/weights.js';
import type { Feeds } from '../ort.js';
import type { GpuDevice, HostValues } from './gpu-device.js';
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
        const values = await readAsFed(reader, name, location, device.floatType);
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

  /** The same weights but for `others`, which take their places or join them, and `without`. Both are released. */
  shareWith(others: ReadonlyMap<string, GpuWeight>, without: ReadonlySet<string> = new Set()): GpuWeights {
    const weights = new Map(others);
    for (const [name, weight] of this.#weights) {
      if (!weights.has(name) && !without.has(name)) weights.set(name, weight.share());
    }
    return new GpuWeights(weights);
  }

  feeds(): Feeds {
    return Object.fromEntries([...this.#weights].map(([name, { gpu }]) => [name, gpu.tensor]));
  }

  release(): void {
    for (const weight of this.#weights.values()) weight.drop();
  }
}

/** A tensor of the checkpoint as a graph is fed it. Fails where float16 is too small for it. */
export async function readAsFed(
  reader: TensorReader,
  name: string,
  location: TensorLocation,
  floatType: FloatType,
): Promise<HostValues> {
  const elements = location.shape.reduce((product, size) => product * size, 1);
  switch (inputType(name, location, floatType)) {
    case 'uint8': {
      const bytes = new Uint8Array(elements);
      await reader.readBytes(location, bytes);
      return bytes;
    }
    case 'float32': {
      const values = new Float32Array(elements);
      await reader.readFloat32(location, values);
      return values;
    }
    case 'float16': {
      const patterns = await readFloat16(reader, location, elements);
      if (!isFiniteF16(patterns)) throw new Float16ExceededError(name);
      return patterns;
    }
  }
}

/** Rounded to the nearest, ties to even. */
async function readFloat16(reader: TensorReader, location: TensorLocation, elements: number): Promise<Uint16Array> {
  if (location.dtype === 'F32') {
    const values = new Float32Array(elements);
    await reader.readFloat32(location, values);
    return encodeF16(values);
  }
  const patterns = new Uint16Array(elements);
  await reader.readBytes(location, new Uint8Array(patterns.buffer));
  return location.dtype === 'F16' ? patterns : encodeBF16AsF16(patterns);
}
