/**
 * The adapters that a model's rows use, as rank rows ready to be fed, with a reference for each row that uses one: the
 * policy, whatever memory the rows lie in (`RankStore`).
 *
 * Disk → host memory is asynchronous, asked for by `prefetch`; host memory → bank is a copy, made by `acquire` between
 * runs. Without references an adapter stays (cold) until its rows are needed by another.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type LinearModule, linearModules, type Projection, PROJECTIONS } from '../formats/checkpoint/modules.js';
import type { ErrorShape } from '../errors.js';
import { type AdapterCounts, noCounts } from './adapter-counts.js';
import { loadFailure } from './adapter-loader.js';
import type { FoldedAdapter } from './folded-adapter.js';
import type { HostCache } from './host-cache.js';
import type { AdapterUse } from './protocol.js';
import type { RankStore } from './rank-store.js';
import { type Residency, ResidencyTable } from './residency.js';
import type { BankStats, ServedBank } from './served-model.js';

/** Reads and folds an adapter. */
export type AdapterSource = (use: AdapterUse) => Promise<FoldedAdapter>;

export interface BankOptions {
  rankBudget: number;
  host: HostCache;
  source: AdapterSource;
  nowMs?: () => number;
}

/** What of the rows in use may be gaps before they are slid together. */
const MAX_WASTE = 0.25;
/** Reasons of failed loads that are kept. */
const MAX_FAILURES = 1000;
/** Adapters that are read at once for rows behind the first: enough that those who read them have something to do. */
const MAX_READ_AHEAD = 4;

const FINDS = ['bankHits', 'hostHits', 'misses'] as const;
interface Finds extends Pick<AdapterCounts, (typeof FINDS)[number]> {
  fresh: readonly string[];
}

export abstract class RankBank<Rows extends RankStore> implements ServedBank {
  readonly rankBudget: number;
  readonly #host: HostCache;
  readonly #source: AdapterSource;
  readonly #nowMs: () => number;
  /** One for each of `PROJECTIONS`. */
  protected readonly rows: readonly Rows[];
  readonly #residency = new ResidencyTable();
  readonly #failures = new Map<string, ErrorShape>();
  /** What is in the bank, by digest. */
  readonly #banked = new Map<string, { rank: number; references: number }>();
  readonly #listeners = new Set<() => void>();
  readonly #onDrop = (digest: string) => this.#leaveIfGone(digest);
  readonly #counts = noCounts();
  /** Read for a row that hasn't acquired them yet. */
  readonly #fresh = new Set<string>();
  /** Where the adapters of an acquisition were found. */
  readonly #found = new WeakMap<readonly AdapterUse[], Finds>();
  #usedRanks = 0;

  constructor(
    config: ModelConfig,
    { rankBudget, host, source, nowMs = Date.now }: BankOptions,
    makeRows: (projection: Projection, modules: readonly LinearModule[]) => Rows,
  ) {
    this.rankBudget = rankBudget;
    this.#host = host;
    this.#source = source;
    this.#nowMs = nowMs;
    const modules = linearModules(config);
    this.rows = PROJECTIONS.map((projection) =>
      makeRows(
        projection,
        modules.filter((module) => module.projection === projection),
      ),
    );
    host.onDrop(this.#onDrop);
  }

  /** Rank rows with references. */
  get usedRanks(): number {
    return this.#usedRanks;
  }

  get stats(): BankStats {
    const bytes = this.rows.reduce((sum, rows) => sum + rows.bytes, 0);
    return { adapters: this.#banked.size, bytes, counts: this.#counts };
  }

  /** 'resident' is what `acquire` can take. */
  state(digest: string): Residency {
    return this.#residency.state(digest);
  }

  /** Why the last load failed, until `prefetch` asks for it again. So look here first, then prefetch. */
  failure(digest: string): ErrorShape | null {
    return this.#failures.get(digest) ?? null;
  }

  /** Called after each load, whether it went well or not. Returns the way to stop that. */
  onSettled(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Starts loading what isn't there, once however often it is asked for, and keeps it in host memory until it is
   * acquired. For rows that are next in line, at every step; not for the whole queue. For a row that isn't the `first`
   * of them, only while host memory has room for more that waits.
   */
  prefetch(use: AdapterUse, first = true): void {
    this.#host.touch(use.digest, this.#nowMs());
    if (this.state(use.digest) !== 'absent') return;
    if (!first && !this.#host.has(use.digest) && !this.#mayReadAhead) return;
    this.#failures.delete(use.digest);
    // Another model's rows may have loaded it.
    if (this.#host.has(use.digest)) {
      this.#residency.apply(use.digest, 'load');
      this.#residency.apply(use.digest, 'loaded');
      return;
    }
    this.#residency.apply(use.digest, 'load');
    void this.#load(use);
  }

  /**
   * Puts all into the bank and counts a reference each. False, and nothing changed, when one isn't resident or they
   * don't fit beside what is in use.
   */
  acquire(uses: readonly AdapterUse[]): boolean {
    const digests = uses.map(({ digest }) => digest);
    if (digests.some((digest) => this.state(digest) !== 'resident')) return false;
    const distinct = [...new Set(digests)];
    const unused = distinct.filter((digest) => (this.#banked.get(digest)?.references ?? 0) === 0);
    const needed = unused.reduce((sum, digest) => sum + this.#rankOf(digest), 0);
    if (this.#usedRanks + needed > this.rankBudget) return false;
    this.#count(uses, distinct);
    // First those that are in the bank, so that the others don't take their rows.
    for (const digest of unused) if (this.#banked.has(digest)) this.#setInUse(digest, true);
    for (const digest of unused) if (!this.#banked.has(digest)) this.#enter(digest);
    for (const digest of digests) this.#entry(digest).references++;
    this.#usedRanks += needed;
    // Only now: letting one go may drop others from host memory, and all of them were needed there.
    for (const digest of digests) this.#host.letGo(digest, this.#nowMs());
    this.#compactIfSparse();
    return true;
  }

  /** Takes back what `acquire` counted: all of it where the row has not `run`. */
  release(uses: readonly AdapterUse[], run = true): void {
    if (!run) this.#uncount(uses);
    for (const { digest } of uses) {
      const entry = this.#entry(digest);
      if (entry.references === 0) throw new Error(`adapter ${digest} is released more often than acquired`);
      entry.references--;
      if (entry.references > 0) continue;
      this.#usedRanks -= entry.rank;
      this.#setInUse(digest, false);
    }
    this.#compactIfSparse();
  }

  /** All the adapters must be in the bank. */
  protected assertBanked(digests: Iterable<string>): void {
    for (const digest of digests) this.#entry(digest);
  }

  /** Lets go of the host cache, which other models share. */
  dispose(): void {
    this.#host.offDrop(this.#onDrop);
  }

  get #mayReadAhead(): boolean {
    return this.#residency.count('loading') < MAX_READ_AHEAD && this.#host.hasRoom;
  }

  async #load(use: AdapterUse): Promise<void> {
    const startMs = performance.now();
    try {
      const adapter = await this.#source(use);
      this.#counts.reads++;
      this.#counts.readMs += performance.now() - startMs;
      // Pinned ones are read ahead of any row.
      if (!this.#host.isPinned(use.digest)) this.#fresh.add(use.digest);
      this.#residency.apply(use.digest, 'loaded');
      this.#host.hold(adapter, this.#nowMs());
    } catch (error) {
      this.#counts.readFailures++;
      this.#residency.apply(use.digest, 'failed');
      this.#failures.set(use.digest, loadFailure(error).toShape());
      if (this.#failures.size > MAX_FAILURES) this.#failures.delete(this.#failures.keys().next().value as string);
    }
    for (const listener of this.#listeners) listener();
  }

  #count(uses: readonly AdapterUse[], digests: readonly string[]): void {
    const fresh = digests.filter((digest) => this.#fresh.delete(digest));
    const banked = digests.filter((digest) => this.#banked.has(digest));
    const misses = fresh.filter((digest) => !this.#banked.has(digest)).length;
    const found = { bankHits: banked.length, hostHits: digests.length - banked.length - misses, misses, fresh };
    for (const name of FINDS) this.#counts[name] += found[name];
    this.#found.set(uses, found);
  }

  #uncount(uses: readonly AdapterUse[]): void {
    const found = this.#found.get(uses);
    if (found === undefined) return;
    for (const name of FINDS) this.#counts[name] -= found[name];
    for (const digest of found.fresh) this.#fresh.add(digest);
  }

  /** Host memory → bank. */
  #enter(digest: string): void {
    const adapter = this.#host.get(digest);
    if (adapter === undefined) throw new Error(`adapter ${digest} is resident, but not in host memory`);
    for (const rows of this.rows) {
      const rank = rows.rankOf(adapter);
      if (rank === 0) continue;
      if (rows.layout.firstFit(rank) + rank > this.rankBudget) this.#compact(rows);
      const offset = rows.layout.firstFit(rank);
      for (const cold of rows.layout.coldIn(offset, rank)) this.#evict(cold);
      rows.write(adapter, offset, rank);
    }
    this.#banked.set(digest, { rank: adapter.rank, references: 0 });
    this.#counts.bankLoads++;
  }

  #setInUse(digest: string, inUse: boolean): void {
    for (const rows of this.rows) rows.setInUse(digest, inUse);
  }

  #evict(digest: string): void {
    for (const { layout } of this.rows) layout.remove(digest);
    this.#banked.delete(digest);
    this.#counts.bankEvictions++;
    this.#leaveIfGone(digest);
  }

  #compactIfSparse(): void {
    for (const rows of this.rows) {
      const { usedEnd, usedRanks } = rows.layout;
      if (usedEnd - usedRanks > usedEnd * MAX_WASTE) this.#compact(rows);
    }
  }

  #compact(rows: Rows): void {
    for (const cold of rows.layout.coldIn(0, rows.layout.usedRanks)) this.#evict(cold);
    rows.compact();
  }

  /** Neither bank nor host memory has it: it is absent from now on. */
  #leaveIfGone(digest: string): void {
    if (this.state(digest) !== 'resident' || this.#banked.has(digest) || this.#host.has(digest)) return;
    this.#fresh.delete(digest);
    this.#residency.apply(digest, 'evict');
    this.#residency.apply(digest, 'evicted');
  }

  #rankOf(digest: string): number {
    return this.#banked.get(digest)?.rank ?? this.#host.get(digest)?.rank ?? 0;
  }

  #entry(digest: string): { rank: number; references: number } {
    const entry = this.#banked.get(digest);
    if (entry === undefined) throw new Error(`adapter ${digest} is not in the bank`);
    return entry;
  }
}
