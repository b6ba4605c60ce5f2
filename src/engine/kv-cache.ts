/**
 * The KV cache of one model, in buckets of rows of one capacity: 64, 128, 256, … positions. A long row doesn't make short
 * ones pay for its length, because each bucket runs with its own. Buffers hold a few places ready for the next rows as
 * long as the budget has room, and are freed with their last row. What rows computed is kept in the prefix cache when
 * they leave, and copied from there into the places of rows that begin alike.
 */
import type { ByteBudget, SlackHolder } from './byte-budget.js';
import type { KvBudget, KvContents } from './kv-budget.js';
import { KvBucket, type NewRows } from './kv-bucket.js';
import { kvBytesPerPosition, kvCapacity, type KvShape } from './kv-size.js';
import type { PrefixCache } from './prefix-cache.js';
import { PrefixTree } from './prefix-tree.js';

/** Positions of a block that is kept. */
const KEPT_POSITIONS = 32;

/** A row that has a place. */
interface OpenRow {
  bucket: KvBucket;
  /** Positions from 0 on that hold numbers, without a gap. */
  written: number;
  /** How many of them it found. */
  reused: number;
}

export class KvCache implements KvBudget, SlackHolder {
  readonly maxPositions: number;
  readonly #shape: KvShape;
  readonly #budget: ByteBudget;
  readonly #maxRows: number;
  /** Copies of what rows left: no row depends on it, so nothing of it is ever in use. */
  readonly #prefixes: PrefixTree<NewRows> | null;
  readonly #buckets = new Map<number, KvBucket>();
  readonly #rows = new Map<string, OpenRow>();

  constructor(
    shape: KvShape,
    maxPositions: number,
    budget: ByteBudget,
    maxRows: number,
    prefixes: PrefixCache | null = null,
  ) {
    this.#shape = shape;
    this.maxPositions = maxPositions;
    this.#budget = budget;
    this.#maxRows = maxRows;
    this.#prefixes =
      prefixes &&
      new PrefixTree(prefixes, {
        blockPositions: KEPT_POSITIONS,
        beside: true,
        bytesFor: (positions) => positions * kvBytesPerPosition(shape),
        drop: () => undefined,
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
    return positions <= this.maxPositions && this.bytesFor(positions) <= this.budgetBytes;
  }

  /** What a row of so many positions takes. */
  bytesFor(positions: number): number {
    return this.#step(positions) * kvBytesPerPosition(this.#shape);
  }

  open(row: string, positions: number, reuse?: KvContents & { most: number }): boolean {
    if (this.#rows.has(row)) throw new Error(`row ${row} is open already`);
    if (positions > this.maxPositions || !this.#budget.claim(this.bytesFor(positions))) return false;
    // Before room is made for the row: it might be made of just these.
    const found = reuse === undefined ? [] : (this.#prefixes?.find(reuse, reuse.most) ?? []);
    this.#prefixes?.take(found);
    const bucket = this.#place(row, positions);
    let written = 0;
    for (const { block, count } of found) {
      bucket.write(row, written, count, 0, block.kept);
      written += count;
    }
    this.#rows.set(row, { bucket, written, reused: written });
    this.#budget.reclaim();
    return true;
  }

  reused(row: string): number {
    return this.#row(row).reused;
  }

  grow(row: string, positions: number): boolean {
    const open = this.#row(row);
    const old = open.bucket;
    if (positions <= old.capacity) return true;
    if (positions > this.maxPositions || !this.#budget.claim(this.bytesFor(positions) - old.slotBytes)) return false;
    // Rows that began together grow in the same step: one buffer for all, instead of one copied each time it is full.
    open.bucket = this.#place(row, positions, old.rows);
    open.bucket.copyFrom(old, row, old.capacity);
    this.#leave(row, old);
    this.#budget.reclaim();
    return true;
  }

  /** Copies `count` new positions of the run's row `index` behind the `start` positions that `row` has. */
  write(row: string, start: number, count: number, index: number, run: NewRows): void {
    const open = this.#row(row);
    open.bucket.write(row, start, count, index, run);
    if (start <= open.written) open.written = Math.max(open.written, start + count);
  }

  close(row: string, contents?: KvContents): void {
    const open = this.#rows.get(row);
    if (open === undefined) return;
    const { bucket, written } = open;
    if (contents !== undefined && this.#prefixes !== null) {
      const { scope, tokens } = contents;
      this.#prefixes.keep({ scope, tokens: tokens.slice(0, written) }, (start, count) =>
        bucket.read(row, start, count),
      );
    }
    this.#rows.delete(row);
    this.#budget.claim(-bucket.slotBytes);
    this.#leave(row, bucket);
  }

  capacity(row: string): number {
    return this.bucket(row).capacity;
  }

  has(row: string): boolean {
    return this.#rows.has(row);
  }

  bucket(row: string): KvBucket {
    return this.#row(row).bucket;
  }

  trim(): void {
    for (const bucket of this.#buckets.values()) this.#resize(bucket, bucket.rows);
  }

  /** Closes every row, and keeps nothing. */
  dispose(): void {
    for (const row of [...this.#rows.keys()]) this.close(row);
    this.#prefixes?.forget();
    this.#budget.unregister(this);
  }

  /** `expected`: how many rows are likely to want a place beside it. */
  #place(row: string, positions: number, expected = 0): KvBucket {
    const capacity = this.#step(positions);
    const bucket = this.#buckets.get(capacity) ?? new KvBucket(this.#shape, capacity);
    this.#buckets.set(capacity, bucket);
    if (bucket.isFull) {
      const needed = bucket.slots + 1;
      const wanted = Math.max(needed, Math.min(Math.max(2 * needed, bucket.slots + expected), this.#maxRows));
      const roomy = this.#budget.hasSlackFor((wanted - bucket.slots) * bucket.slotBytes);
      this.#resize(bucket, roomy ? wanted : needed);
    }
    bucket.open(row);
    return bucket;
  }

  #row(row: string): OpenRow {
    const open = this.#rows.get(row);
    if (open === undefined) throw new Error(`row ${row} is not open`);
    return open;
  }

  #leave(row: string, bucket: KvBucket): void {
    bucket.close(row);
    if (bucket.rows > 0) return;
    this.#resize(bucket, 0);
    this.#buckets.delete(bucket.capacity);
  }

  #resize(bucket: KvBucket, slots: number): void {
    if (slots === bucket.slots) return;
    this.#budget.recordAllocated((slots - bucket.slots) * bucket.slotBytes);
    bucket.resize(slots);
  }

  /** Capacity for so many positions. */
  #step(positions: number): number {
    return kvCapacity(positions, this.maxPositions);
  }
}
