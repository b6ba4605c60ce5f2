/** Memory as the scheduler sees it, counted and without tensors. Both throw where a rule of their interface is broken. */
import type { ErrorShape } from '../../../../src/errors/espalier-error.js';
import type { KvBudget } from '../../../../src/engine/kv-budget.js';
import type { AdapterUse } from '../../../../src/engine/protocol.js';
import type { Residency } from '../../../../src/engine/residency.js';
import type { AdapterPlaces } from '../../../../src/engine/scheduler.js';

/** A byte a position; capacities 4, 8, 16, … */
export class CountedKv implements KvBudget {
  readonly rows = new Map<string, number>();
  readonly budgetBytes: number;
  readonly maxPositions: number;

  constructor(budgetBytes: number, maxPositions: number) {
    this.budgetBytes = budgetBytes;
    this.maxPositions = maxPositions;
  }

  get usedBytes(): number {
    return [...this.rows.values()].reduce((sum, capacity) => sum + capacity, 0);
  }

  canEverFit(positions: number): boolean {
    return step(positions) <= this.budgetBytes;
  }

  open(row: string, positions: number): boolean {
    if (this.rows.has(row)) throw new Error(`${row} is open already`);
    if (this.usedBytes + step(positions) > this.budgetBytes) return false;
    this.rows.set(row, step(positions));
    return true;
  }

  grow(row: string, positions: number): boolean {
    const capacity = this.capacity(row);
    if (positions <= capacity) return true;
    if (this.usedBytes - capacity + step(positions) > this.budgetBytes) return false;
    this.rows.set(row, step(positions));
    return true;
  }

  close(row: string): void {
    this.rows.delete(row);
  }

  capacity(row: string): number {
    const capacity = this.rows.get(row);
    if (capacity === undefined) throw new Error(`${row} is not open`);
    return capacity;
  }
}

function step(positions: number): number {
  let capacity = 4;
  while (capacity < positions) capacity *= 2;
  return capacity;
}

/** Adapters take `delay(digest)` ticks to load; those for which it is negative fail. */
export class CountedBank implements AdapterPlaces {
  readonly rankBudget: number;
  readonly references = new Map<string, number>();
  readonly #delay: (digest: string) => number;
  readonly #ranks = new Map<string, number>();
  /** Ticks until it is there. */
  readonly #loading = new Map<string, number>();
  readonly #failed = new Set<string>();
  /** The adapters of the rows that wait, as was said last. */
  expected: string[][] = [];

  constructor(rankBudget: number, delay: (digest: string) => number = () => 0) {
    this.rankBudget = rankBudget;
    this.#delay = delay;
  }

  get usedRanks(): number {
    return [...this.references].reduce((sum, [digest, count]) => sum + (count > 0 ? this.#rank(digest) : 0), 0);
  }

  /** Time passes. */
  tick(): void {
    for (const [digest, left] of this.#loading) this.#loading.set(digest, left - 1);
  }

  expect(rows: readonly (readonly AdapterUse[])[]): void {
    this.expected = rows.map((uses) => uses.map(({ digest }) => digest));
    for (const use of rows.flat()) if (!this.#failed.has(use.digest)) this.prefetch(use);
  }

  prefetch(use: AdapterUse): void {
    if (this.#loading.has(use.digest)) return;
    this.#failed.delete(use.digest);
    this.#ranks.set(use.digest, use.rank);
    if (this.#delay(use.digest) < 0) this.#failed.add(use.digest);
    else this.#loading.set(use.digest, this.#delay(use.digest));
  }

  state(digest: string): Residency {
    const left = this.#loading.get(digest);
    return left === undefined ? 'absent' : left > 0 ? 'loading' : 'resident';
  }

  failure(digest: string): ErrorShape | null {
    return this.#failed.has(digest) ? { code: 'adapter_load_failed', status: 500, message: digest } : null;
  }

  acquire(uses: readonly AdapterUse[]): boolean {
    const digests = [...new Set(uses.map(({ digest }) => digest))];
    if (digests.some((digest) => this.state(digest) !== 'resident')) throw new Error('acquired before it is there');
    const unused = digests.filter((digest) => (this.references.get(digest) ?? 0) === 0);
    const needed = unused.reduce((sum, digest) => sum + this.#rank(digest), 0);
    if (this.usedRanks + needed > this.rankBudget) return false;
    for (const { digest } of uses) this.references.set(digest, (this.references.get(digest) ?? 0) + 1);
    return true;
  }

  release(uses: readonly AdapterUse[]): void {
    for (const { digest } of uses) {
      const count = this.references.get(digest) ?? 0;
      if (count === 0) throw new Error(`${digest} is released too often`);
      this.references.set(digest, count - 1);
    }
  }

  #rank(digest: string): number {
    return this.#ranks.get(digest) ?? 0;
  }
}
