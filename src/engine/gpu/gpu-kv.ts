/**
 * The KV cache of one model in the GPU's memory: which block of a pool (`gpu-pool.ts`) is whose. A row has a list of blocks
 * of 64 positions (as in vLLM's PagedAttention, arXiv 2309.06180), so it grows without being moved and leaves no gap;
 * runs write into the pool where it lies.
 *
 * What rows computed stays in its blocks when they leave, as long as the prefix cache keeps them and no row needs them.
 * Rows that begin alike read whole blocks where they lie, as many rows as there are; a row that begins like a part of a
 * block gets a copy of it, because it will write behind that part. So nobody writes into a block that another may read. A
 * block that several rows read is promised once.
 *
 * The scheduler's calls only do the bookkeeping. What they mean for the tensors is done by `prepare`, before a run.
 */
import { BLOCK_POSITIONS } from '../../graph/pool-ports.js';
import type { ByteBudget, SlackHolder } from '../byte-budget.js';
import type { KvBudget, KvContents } from '../kv-budget.js';
import { kvBytesPerPosition, type KvShape } from '../kv-size.js';
import type { PrefixCache } from '../prefix-cache.js';
import { PrefixTree } from '../prefix-tree.js';
import { type BlockCopy, GpuPool, type PoolDevice } from './gpu-pool.js';

/** A row that has a place. */
interface OpenRow {
  /** In the order of the row's positions. */
  readonly blocks: number[];
  /** Positions from 0 on that hold numbers, without a gap. */
  written: number;
  /** How many of them it found. */
  readonly reused: number;
}

export class GpuKv implements KvBudget, SlackHolder {
  readonly maxPositions: number;
  /** Of one block, all layers. */
  readonly #blockBytes: number;
  readonly #budget: ByteBudget;
  readonly #pool: GpuPool;
  readonly #prefixes: PrefixTree<number> | null;
  readonly #rows = new Map<string, OpenRow>();
  /** Block → how many rows have it. Blocks that none has are kept, free or both not there. */
  readonly #users = new Map<number, number>();
  /** Blocks that the prefix cache keeps, whether rows have them or not. */
  readonly #kept = new Set<number>();
  readonly #free = new Set<number>();
  /** Free blocks that hold what may not be finite: cleared before a run reads them. */
  #soiled: number[] = [];
  /**
   * What rows found of blocks, by row. A source is as it was until they are made, whoever has it by then: no run comes
   * between.
   */
  readonly #copies = new Map<string, BlockCopy>();
  /** Blocks that are had, kept or free: what the pool holds after `prepare`. */
  #blocks = 0;

  constructor(
    shape: KvShape,
    maxPositions: number,
    budget: ByteBudget,
    device: PoolDevice,
    prefixes: PrefixCache | null = null,
  ) {
    this.maxPositions = maxPositions;
    this.#blockBytes = kvBytesPerPosition(shape, device.elementBytes) * BLOCK_POSITIONS;
    this.#budget = budget;
    this.#pool = new GpuPool(shape, device);
    this.#prefixes =
      prefixes &&
      new PrefixTree(prefixes, {
        blockPositions: BLOCK_POSITIONS,
        beside: false,
        bytesFor: () => this.#blockBytes,
        drop: (block) => this.#forget(block),
      });
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

  open(row: string, positions: number, reuse?: KvContents & { most: number }): boolean {
    if (this.#rows.has(row)) throw new Error(`row ${row} is open already`);
    const found = reuse === undefined ? [] : (this.#prefixes?.find(reuse, reuse.most) ?? []);
    const shared = found.filter(({ count }) => count === BLOCK_POSITIONS).map(({ block }) => block.kept);
    const had = shared.filter((block) => this.#users.has(block)).length;
    const needed = blocksFor(positions);
    if (positions > this.maxPositions || !this.#budget.claim((needed - had) * this.#blockBytes)) return false;
    this.#prefixes?.take(found);
    // Before room is made: it might be made of just these.
    for (const block of shared) this.#use(block);
    const [partly] = found.slice(shared.length);
    const own = this.#take(needed - shared.length);
    if (partly !== undefined && own[0] !== undefined) this.#copies.set(row, { from: partly.block.kept, to: own[0] });
    const reused = found.reduce((sum, { count }) => sum + count, 0);
    this.#rows.set(row, { blocks: [...shared, ...own], written: reused, reused });
    return true;
  }

  reused(row: string): number {
    return this.#row(row).reused;
  }

  grow(row: string, positions: number): boolean {
    const { blocks } = this.#row(row);
    const more = blocksFor(positions) - blocks.length;
    if (more <= 0) return true;
    if (positions > this.maxPositions || !this.#budget.claim(more * this.#blockBytes)) return false;
    blocks.push(...this.#take(more));
    return true;
  }

  /** A run wrote `count` finite positions behind the `start` positions that `row` has. */
  wrote(row: string, start: number, count: number): void {
    const open = this.#row(row);
    if (start <= open.written) open.written = Math.max(open.written, start + count);
  }

  close(row: string, contents?: KvContents): void {
    const open = this.#rows.get(row);
    if (open === undefined) return;
    const { blocks, reused } = open;
    // What it found of a block isn't in its own yet: the cache has it.
    const written = this.#copies.delete(row) ? ownBegin(reused) : open.written;
    if (contents !== undefined) {
      const { scope, tokens } = contents;
      this.#prefixes?.keep({ scope, tokens: tokens.slice(0, written) }, (start) => {
        // The row has a block for each position that was written.
        const block = blocks[start / BLOCK_POSITIONS] as number;
        this.#kept.add(block);
        return block;
      });
    }
    this.#rows.delete(row);
    for (const block of blocks) this.#leave(block);
  }

  /** The row's numbers overflowed: what it wrote is of no use to anyone, and cleared before another reads it. */
  soil(row: string): void {
    const open = this.#row(row);
    open.written = Math.min(open.written, ownBegin(open.reused));
    this.#soiled.push(...open.blocks.slice(open.written / BLOCK_POSITIONS));
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
    return this.#row(row).blocks;
  }

  /** Without rows the pool goes, and what is kept in it. With rows its end goes, behind the last block of a row. */
  trim(): void {
    if (this.#rows.size === 0) {
      this.#drop();
      return;
    }
    const end = Math.max(...this.#users.keys()) + 1;
    while (this.#prefixes?.dropOldest((block) => block >= end) === true) continue;
    for (const block of this.#free) if (block >= end) this.#free.delete(block);
    this.#blocks = Math.min(this.#blocks, end);
  }

  /** Makes the tensors what rows were promised. No run may be under way. */
  async prepare(): Promise<void> {
    const pool = this.#pool;
    if (pool.height < this.#blocks) await this.#extend();
    const soiled = this.#soiled.splice(0).filter((block) => block < pool.height);
    if (soiled.length > 0) await pool.clear(soiled);
    const copies = [...this.#copies.values()];
    this.#copies.clear();
    if (copies.length > 0) await pool.copy(copies);
    if (pool.height > this.#blocks) await this.#resize(this.#blocks);
  }

  /** The pool, as fed and as written by a run. */
  feeds(): ReturnType<GpuPool['feeds']> {
    return this.#pool.feeds();
  }

  dispose(): void {
    for (const row of [...this.#rows.keys()]) this.close(row);
    this.#drop();
    this.#budget.unregister(this);
  }

  #row(row: string): OpenRow {
    const open = this.#rows.get(row);
    if (open === undefined) throw new Error(`row ${row} is not open`);
    return open;
  }

  /** Free blocks first, lowest first; then new ones, while the budget has room; then what is kept; then new ones. */
  #take(count: number): number[] {
    const taken = [...this.#free].sort((one, other) => one - other).slice(0, count);
    for (const block of taken) this.#free.delete(block);
    while (taken.length < count) {
      const mayGrow = this.#budget.hasSlackFor((this.#blocks + 1 - this.#pool.height) * this.#blockBytes);
      if (this.#free.size === 0 && !mayGrow) this.#prefixes?.dropOldest((block) => !this.#users.has(block));
      const [block = this.#blocks++] = this.#free;
      this.#free.delete(block);
      taken.push(block);
    }
    for (const block of taken) this.#use(block);
    return taken;
  }

  #use(block: number): void {
    this.#users.set(block, (this.#users.get(block) ?? 0) + 1);
  }

  #leave(block: number): void {
    const left = (this.#users.get(block) ?? 0) - 1;
    if (left > 0) {
      this.#users.set(block, left);
      return;
    }
    this.#users.delete(block);
    this.#budget.claim(-this.#blockBytes);
    if (!this.#kept.has(block)) this.#free.add(block);
  }

  #forget(block: number): void {
    this.#kept.delete(block);
    if (!this.#users.has(block)) this.#free.add(block);
  }

  /** To as many blocks as there are, or more where the budget has room for the next rows. */
  async #extend(): Promise<void> {
    const wanted = 2 * this.#blocks;
    const roomy = this.#budget.hasSlackFor((wanted - this.#pool.height) * this.#blockBytes);
    const blocks = roomy ? wanted : this.#blocks;
    await this.#resize(blocks);
    for (let block = this.#blocks; block < blocks; block++) this.#free.add(block);
    this.#blocks = blocks;
    this.#budget.reclaim();
  }

  async #resize(blocks: number): Promise<void> {
    const before = this.#pool.height;
    await this.#pool.resize(blocks);
    this.#budget.recordAllocated((blocks - before) * this.#blockBytes);
  }

  #drop(): void {
    this.#prefixes?.forget();
    this.#budget.recordAllocated(-this.#pool.height * this.#blockBytes);
    this.#pool.dispose();
    this.#blocks = 0;
    this.#free.clear();
    this.#soiled = [];
  }
}

function blocksFor(positions: number): number {
  return Math.ceil(positions / BLOCK_POSITIONS);
}

/** Where the blocks begin that a row writes into, if it found so many positions. */
function ownBegin(reused: number): number {
  return Math.floor(reused / BLOCK_POSITIONS) * BLOCK_POSITIONS;
}
