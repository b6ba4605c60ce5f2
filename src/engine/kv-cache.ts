/**
 * The KV cache of one model, in buckets of rows of one capacity: 64, 128, 256, … positions. A long row doesn't make short
 * ones pay for its length, because each bucket runs with its own. Buffers hold a few places ready for the next rows as
 * long as the budget has room, and are freed with their last row.
 */
import type { ByteBudget, SlackHolder } from './byte-budget.js';
import type { KvBudget } from './kv-budget.js';
import { KvBucket } from './kv-bucket.js';
import { kvBytesPerPosition, kvCapacity, type KvShape } from './kv-size.js';

export class KvCache implements KvBudget, SlackHolder {
  readonly maxPositions: number;
  readonly #shape: KvShape;
  readonly #budget: ByteBudget;
  readonly #maxRows: number;
  readonly #buckets = new Map<number, KvBucket>();
  readonly #bucketOf = new Map<string, KvBucket>();

  constructor(shape: KvShape, maxPositions: number, budget: ByteBudget, maxRows: number) {
    this.#shape = shape;
    this.maxPositions = maxPositions;
    this.#budget = budget;
    this.#maxRows = maxRows;
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

  open(row: string, positions: number): boolean {
    if (this.#bucketOf.has(row)) throw new Error(`row ${row} is open already`);
    if (positions > this.maxPositions || !this.#budget.claim(this.bytesFor(positions))) return false;
    this.#place(row, positions);
    this.#budget.reclaim();
    return true;
  }

  grow(row: string, positions: number): boolean {
    const old = this.bucket(row);
    if (positions <= old.capacity) return true;
    if (positions > this.maxPositions || !this.#budget.claim(this.bytesFor(positions) - old.slotBytes)) return false;
    this.#place(row, positions).copyFrom(old, row, old.capacity);
    this.#leave(row, old);
    this.#budget.reclaim();
    return true;
  }

  close(row: string): void {
    const bucket = this.#bucketOf.get(row);
    if (bucket === undefined) return;
    this.#bucketOf.delete(row);
    this.#budget.claim(-bucket.slotBytes);
    this.#leave(row, bucket);
  }

  capacity(row: string): number {
    return this.bucket(row).capacity;
  }

  has(row: string): boolean {
    return this.#bucketOf.has(row);
  }

  bucket(row: string): KvBucket {
    const bucket = this.#bucketOf.get(row);
    if (bucket === undefined) throw new Error(`row ${row} is not open`);
    return bucket;
  }

  trim(): void {
    for (const bucket of this.#buckets.values()) this.#resize(bucket, bucket.rows);
  }

  /** Closes every row. */
  dispose(): void {
    for (const row of [...this.#bucketOf.keys()]) this.close(row);
    this.#budget.unregister(this);
  }

  #place(row: string, positions: number): KvBucket {
    const capacity = this.#step(positions);
    const bucket = this.#buckets.get(capacity) ?? new KvBucket(this.#shape, capacity);
    this.#buckets.set(capacity, bucket);
    if (bucket.isFull) {
      const needed = bucket.slots + 1;
      const wanted = Math.max(needed, Math.min(2 * needed, this.#maxRows));
      const roomy = this.#budget.hasSlackFor((wanted - bucket.slots) * bucket.slotBytes);
      this.#resize(bucket, roomy ? wanted : needed);
    }
    bucket.open(row);
    this.#bucketOf.set(row, bucket);
    return bucket;
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
