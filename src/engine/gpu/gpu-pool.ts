/**
 * The tensors of a KV pool in the GPU's memory: for each layer one of K and one of V, [blocks · kv · 64, hd]
 * (`pool-ports.ts`). Which block is whose, `gpu-kv.ts` knows.
 */
import { BLOCK_POSITIONS, poolK, poolV, writtenK, writtenV } from '../../graph/pool-ports.js';
import type { KvShape } from '../kv-size.js';
import type { InputTensor } from '../ort.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

/** What a pool asks of the GPU. */
export type PoolDevice = Pick<GpuDevice, 'elementBytes' | 'zeros' | 'extend' | 'select' | 'replace'>;

export interface BlockCopy {
  from: number;
  to: number;
}

interface Layer {
  k: GpuTensor;
  v: GpuTensor;
}

export class GpuPool {
  readonly #shape: KvShape;
  readonly #device: PoolDevice;
  #layers: Layer[] = [];
  #height = 0;

  constructor(shape: KvShape, device: PoolDevice) {
    this.#shape = shape;
    this.#device = device;
  }

  /** In blocks. */
  get height(): number {
    return this.#height;
  }

  /** More blocks, zeros at first; or fewer: those at the end go. */
  async resize(blocks: number): Promise<void> {
    const { layers, headDim } = this.#shape;
    const more = this.#linesOf(blocks - this.#height);
    const resize = async (tensor: GpuTensor | undefined): Promise<GpuTensor> => {
      if (tensor === undefined) return this.#device.zeros(this.#linesOf(blocks), headDim);
      const resized =
        more > 0
          ? await this.#device.extend(tensor, more)
          : await this.#device.select(tensor, range(0, this.#linesOf(blocks)));
      tensor.dispose();
      return resized;
    };
    // One at a time, so that the old one is freed before the next is made.
    for (let layer = 0; layer < layers; layer++) {
      const old = this.#layers[layer];
      this.#layers[layer] = { k: await resize(old?.k), v: await resize(old?.v) };
    }
    this.#height = blocks;
  }

  /** Makes them zeros. */
  async clear(blocks: readonly number[]): Promise<void> {
    const lines = this.#lines(blocks);
    const zeros = await this.#device.zeros(lines.length, this.#shape.headDim);
    await this.#each((tensor) => this.#device.replace(tensor, lines, zeros));
    zeros.dispose();
  }

  /** All at once: each source as it is before. */
  async copy(copies: readonly BlockCopy[]): Promise<void> {
    const from = this.#lines(copies.map((copy) => copy.from));
    const to = this.#lines(copies.map((copy) => copy.to));
    await this.#each(async (tensor) => {
      const read = await this.#device.select(tensor, from);
      await this.#device.replace(tensor, to, read);
      read.dispose();
    });
  }

  /** As fed and as written by a run. */
  feeds(): { fed: Record<string, InputTensor>; written: Record<string, InputTensor> } {
    const fed: Record<string, InputTensor> = {};
    const written: Record<string, InputTensor> = {};
    for (const [layer, { k, v }] of this.#layers.entries()) {
      fed[poolK(layer)] = written[writtenK(layer)] = k.tensor;
      fed[poolV(layer)] = written[writtenV(layer)] = v.tensor;
    }
    return { fed, written };
  }

  /** It holds no blocks then. */
  dispose(): void {
    for (const { k, v } of this.#layers) {
      k.dispose();
      v.dispose();
    }
    this.#layers = [];
    this.#height = 0;
  }

  async #each(change: (tensor: GpuTensor) => Promise<void>): Promise<void> {
    for (const { k, v } of this.#layers) {
      await change(k);
      await change(v);
    }
  }

  #linesOf(blocks: number): number {
    return blocks * this.#shape.kvHeads * BLOCK_POSITIONS;
  }

  #lines(blocks: readonly number[]): BigInt64Array {
    const lines = new BigInt64Array(this.#linesOf(blocks.length));
    const each = this.#linesOf(1);
    for (const [i, block] of blocks.entries()) lines.set(range(block * each, each), i * each);
    return lines;
  }
}

/** first, first + 1, … */
function range(first: number, count: number): BigInt64Array {
  return BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i));
}
