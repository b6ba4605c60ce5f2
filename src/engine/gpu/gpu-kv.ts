/**
 * The KV cache of one model in the GPU's memory: a pool of blocks of 64 positions (as in vLLM's PagedAttention, arXiv
 * 2309.06180), for each layer one tensor of K and one of V. A row has a list of blocks, so it grows without being moved
 * and leaves no gap; runs write into the pool where it lies.
 *
 * The scheduler's calls only do the bookkeeping. What they mean for the tensors is done by `prepare`, before a run.
 */
import { BLOCK_POSITIONS, poolK, poolV, writtenK, writtenV } from '../../graph/pool-ports.js';
import type { ByteBudget, SlackHolder } from '../byte-budget.js';
import type { KvBudget } from '../kv-budget.js';
import { kvBytesPerPosition, type KvShape } from '../kv-size.js';
import type { InputTensor } from '../ort.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

interface Layer {
  k: GpuTensor;
  v: GpuTensor;
}

export class GpuKv implements KvBudget, SlackHolder {
  readonly maxPositions: number;
  /** Of one block, all layers. */
  readonly #blockBytes: number;
  readonly #shape: KvShape;
  readonly #budget: ByteBudget;
  readonly #device: GpuDevice;
  readonly #rows = new Map<string, number[]>();
  /** Blocks below the pool's height that no row has. */
  readonly #free = new Set<number>();
  /** Free blocks that hold what may not be finite: cleared before they are given away. */
  #soiled: number[] = [];
  /** Blocks that are given away or free: what the pool holds after `prepare`. */
  #blocks = 0;
  /** What the tensors hold now. */
  #height = 0;
  #layers: Layer[] = [];

  constructor(shape: KvShape, maxPositions: number, budget: ByteBudget, device: GpuDevice) {
    this.#shape = shape;
    this.maxPositions = maxPositions;
    this.#blockBytes = kvBytesPerPosition(shape) * BLOCK_POSITIONS;
    this.#budget = budget;
    this.#device = device;
    budget.register(this);
  }

  get usedBytes(): number {
    return this.#budget.liveBytes;
  }

  get budgetBytes(): number {
    return this.#budget.limitBytes;
  }

  canEverFit(positions: number): boolean {
    return positions <= this.maxPositions && blocksFor(positions) * this.#blockBytes <= this.budgetBytes;
  }

  open(row: string, positions: number): boolean {
    if (this.#rows.has(row)) throw new Error(`row ${row} is open already`);
    const needed = blocksFor(positions);
    if (positions > this.maxPositions || !this.#budget.claim(needed * this.#blockBytes)) return false;
    this.#rows.set(row, this.#take(needed));
    return true;
  }

  grow(row: string, positions: number): boolean {
    const blocks = this.blocks(row);
    const more = blocksFor(positions) - blocks.length;
    if (more <= 0) return true;
    if (positions > this.maxPositions || !this.#budget.claim(more * this.#blockBytes)) return false;
    this.#rows.set(row, [...blocks, ...this.#take(more)]);
    return true;
  }

  close(row: string): void {
    const blocks = this.#rows.get(row);
    if (blocks === undefined) return;
    this.#rows.delete(row);
    this.#budget.claim(-blocks.length * this.#blockBytes);
    for (const block of blocks) this.#free.add(block);
  }

  /** The same, of a row whose numbers overflowed: nobody may read what it leaves before it is cleared. */
  soil(row: string): void {
    this.#soiled.push(...this.blocks(row));
  }

  /** Rows of similar lengths run together: 256, 1024, 4096, … positions. */
  capacity(row: string): number {
    const positions = this.blocks(row).length * BLOCK_POSITIONS;
    let capacity = 4 * BLOCK_POSITIONS;
    while (capacity < positions) capacity *= 4;
    return capacity;
  }

  has(row: string): boolean {
    return this.#rows.has(row);
  }

  /** In the order of the row's positions. */
  blocks(row: string): readonly number[] {
    const blocks = this.#rows.get(row);
    if (blocks === undefined) throw new Error(`row ${row} is not open`);
    return blocks;
  }

  /** Without rows the pool goes. */
  trim(): void {
    if (this.#rows.size === 0) this.#drop();
  }

  /** Makes the tensors what rows were promised. No run may be under way. */
  async prepare(): Promise<void> {
    if (this.#height < this.#blocks) await this.#resize(this.#blocks);
    const soiled = this.#soiled.splice(0);
    if (soiled.length > 0) await this.#clear(soiled);
  }

  /** The pool, as fed and as written by a run. */
  feeds(): { fed: Record<string, InputTensor>; written: Record<string, InputTensor> } {
    const fed: Record<string, InputTensor> = {};
    const written: Record<string, InputTensor> = {};
    for (const [layer, { k, v }] of this.#layers.entries()) {
      fed[poolK(layer)] = written[writtenK(layer)] = k.tensor;
      fed[poolV(layer)] = written[writtenV(layer)] = v.tensor;
    }
    return { fed, written };
  }

  dispose(): void {
    for (const row of [...this.#rows.keys()]) this.close(row);
    this.#drop();
    this.#budget.unregister(this);
  }

  /** Free blocks first, lowest first; then new ones. */
  #take(count: number): number[] {
    const taken = [...this.#free].sort((one, other) => one - other).slice(0, count);
    for (const block of taken) this.#free.delete(block);
    while (taken.length < count) taken.push(this.#blocks++);
    return taken;
  }

  /** To so many blocks, or more where the budget has room for the next rows. */
  async #resize(needed: number): Promise<void> {
    const wanted = 2 * needed;
    const roomy = this.#budget.hasSlackFor((wanted - this.#height) * this.#blockBytes);
    const blocks = roomy ? wanted : needed;
    const { layers, kvHeads, headDim } = this.#shape;
    const lines = (count: number) => count * kvHeads * BLOCK_POSITIONS;
    const resize = async (tensor: GpuTensor | undefined): Promise<GpuTensor> => {
      if (tensor === undefined) return this.#device.zeros(lines(blocks), headDim);
      const larger = await this.#device.extend(tensor, lines(blocks - this.#height));
      tensor.dispose();
      return larger;
    };
    // One at a time, so that the old one is freed before the next is made.
    for (let layer = 0; layer < layers; layer++) {
      const old = this.#layers[layer];
      this.#layers[layer] = { k: await resize(old?.k), v: await resize(old?.v) };
    }
    this.#budget.recordAllocated((blocks - this.#height) * this.#blockBytes);
    for (let block = this.#blocks; block < blocks; block++) this.#free.add(block);
    this.#blocks = this.#height = blocks;
    this.#budget.reclaim();
  }

  async #clear(blocks: readonly number[]): Promise<void> {
    const { kvHeads, headDim } = this.#shape;
    const perBlock = kvHeads * BLOCK_POSITIONS;
    const lines = blocks.flatMap((block) => Array.from({ length: perBlock }, (_, i) => BigInt(block * perBlock + i)));
    const zeros = await this.#device.zeros(lines.length, headDim);
    for (const { k, v } of this.#layers) {
      await this.#device.replace(k, BigInt64Array.from(lines), zeros);
      await this.#device.replace(v, BigInt64Array.from(lines), zeros);
    }
    zeros.dispose();
  }

  #drop(): void {
    for (const { k, v } of this.#layers) {
      k.dispose();
      v.dispose();
    }
    this.#layers = [];
    this.#budget.recordAllocated(-this.#height * this.#blockBytes);
    this.#height = 0;
    this.#blocks = 0;
    this.#free.clear();
    this.#soiled = [];
  }
}

function blocksFor(positions: number): number {
  return Math.ceil(positions / BLOCK_POSITIONS);
}
