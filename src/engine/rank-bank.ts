/**
 * The adapters that a model's rows use, as rank rows ready to be fed, with a reference for each row that uses one: the
 * policy, whatever memory the rows lie in (`RankStore`).
 *
 * Disk → host memory is asynchronous, and begins when `expect` tells of a row that waits, as far as there is room
 * (`read-ahead.ts`); host memory → bank is a copy, made by `acquire` between runs. Without references an adapter stays
 * (cold) until its rows are needed by another, or until they have long been memory that nobody needed (`rest`).
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type LinearModule, linearModules, type Projection, PROJECTIONS } from '../formats/checkpoint/modules.js';
import type { ErrorShape } from '../errors/espalier-error.js';
import { type AdapterCounts, noCounts } from './adapter-counts.js';
import { loadFailure, MAX_READ_AHEAD } from './adapter-loader.js';
import type { FoldedAdapter } from './folded-adapter.js';
import type { HostCache } from './host-cache.js';
import type { AdapterUse } from './protocol.js';
import { readAhead } from './read-ahead.js';
import type { RankStore } from './rank-store.js';
import { type Residency, ResidencyTable } from './residency.js';
import type { BankStats, ServedBank } from './served-model.js';

/** Reads and folds an adapter. */
export type AdapterSource = (use: AdapterUse) => Promise<FoldedAdapter>;

export interface BankOptions {
  rankBudget: number;
  host: HostCache;
  source: AdapterSource;
}

/** Rows of a projection whose memory is never given back. */
const LEAST_ROWS = 32;
/** What of the rows in use may be gaps before they are slid together. */
const MAX_WASTE = 0.25;
/** Reasons of failed loads that are kept. */
const MAX_FAILURES = 1000;

const FINDS = ['bankHits', 'hostHits', 'misses'] as const;
interface Finds extends Pick<AdapterCounts, (typeof FINDS)[number]> {
  fresh: readonly string[];
}

export abstract class RankBank<Rows extends RankStore> implements ServedBank {
  readonly rankBudget: number;
  readonly #host: HostCache;
  readonly #source: AdapterSource;
  /** One for each of `PROJECTIONS`. */
  protected readonly rows: readonly Rows[];
  /** By projection: first row behind all that were in use at any time since `rest` was called last. */
  readonly #usedEnds = PROJECTIONS.map(() => 0);
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
  /** Adapters that are being read. */
  #loading = 0;
  /** Of an adapter that has not been read, for each of its ranks: at the most, then the most that was seen. */
  readonly #bytesPerRank: { most: number; seen: number };

  constructor(
    config: ModelConfig,
    { rankBudget, host, source }: BankOptions,
    makeRows: (projection: Projection, modules: readonly LinearModule[]) => Rows,
  ) {
    this.rankBudget = rankBudget;
    this.#host = host;
    this.#source = source;
    const modules = linearModules(config);
    const widths = modules.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures, 0);
    this.#bytesPerRank = { most: widths * Float32Array.BYTES_PER_ELEMENT, seen: 0 };
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

  /** Why the last load failed, until `prefetch` asks for it again. */
  failure(digest: string): ErrorShape | null {
    return this.#failures.get(digest) ?? null;
  }

  /** Called after each load, whether it went well or not. Returns the way to stop that. */
  onSettled(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  expect(rows: readonly (readonly AdapterUse[])[]): void {
    const { keep, keptBytes, read } = readAhead(rows, {
      roomBytes: this.#host.roomFor(this),
      reads: MAX_READ_AHEAD - this.#loading,
      bytesOf: (use) => this.#hostBytesOf(use),
      isAbsent: (digest) => this.state(digest) === 'absent' && !this.#host.has(digest) && !this.#failures.has(digest),
    });
    this.#host.keep(this, keep, keptBytes);
    for (const digest of keep) this.#adopt(digest);
    for (const use of read) this.prefetch(use);
  }

  /** Reads an adapter if it isn't there, once however often it is asked for, though no row may want it. */
  prefetch(use: AdapterUse): void {
    this.#adopt(use.digest);
    if (this.state(use.digest) !== 'absent') return;
    this.#failures.delete(use.digest);
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

  /**
   * Gives back memory of rows that were not needed since the last call, where that is more than half of it: what grows by
   * doubling is then not given back again as soon as it has grown. Adapters that lie there leave the bank. Not during a run.
   */
  rest(): void {
    for (const [p, rows] of this.rows.entries()) {
      const needed = Math.max(this.#usedEnds[p] ?? 0, LEAST_ROWS);
      this.#usedEnds[p] = rows.layout.usedEnd;
      if (rows.capacity <= 2 * needed) continue;
      for (const cold of rows.layout.coldIn(needed, rows.capacity - needed)) this.#evict(cold);
      rows.shrink(needed);
    }
  }

  /** All the adapters must be in the bank. */
  protected assertBanked(digests: Iterable<string>): void {
    for (const digest of digests) this.#entry(digest);
  }

  /** Lets go of the host cache, which other models share. */
  dispose(): void {
    this.#host.offDrop(this.#onDrop);
    this.#host.keep(this, new Set(), 0);
  }

  async #load(use: AdapterUse): Promise<void> {
    const startMs = performance.now();
    this.#loading++;
    try {
      const adapter = await this.#source(use);
      this.#counts.reads++;
      this.#counts.readMs += performance.now() - startMs;
      this.#bytesPerRank.seen = Math.max(this.#bytesPerRank.seen, adapter.bytes / Math.max(1, use.rank));
      // Pinned ones are read ahead of any row.
      if (!this.#host.isPinned(use.digest)) this.#fresh.add(use.digest);
      this.#residency.apply(use.digest, 'loaded');
      this.#host.put(adapter);
    } catch (error) {
      this.#counts.readFailures++;
      this.#residency.apply(use.digest, 'failed');
      this.#failures.set(use.digest, loadFailure(error).toShape());
      if (this.#failures.size > MAX_FAILURES) this.#failures.delete(this.#failures.keys().next().value as string);
    }
    this.#loading--;
    for (const listener of this.#listeners) listener();
  }

  /** Another model's rows may have loaded it. */
  #adopt(digest: string): void {
    if (this.state(digest) !== 'absent' || !this.#host.has(digest)) return;
    this.#failures.delete(digest);
    this.#residency.apply(digest, 'load');
    this.#residency.apply(digest, 'loaded');
  }

  /** What it takes of host memory, or will take once it has been read. */
  #hostBytesOf({ digest, rank }: AdapterUse): number {
    const bytes = this.#host.bytesOf(digest);
    if (bytes !== undefined) return bytes;
    if (this.#banked.has(digest) || this.#failures.has(digest)) return 0;
    const { most, seen } = this.#bytesPerRank;
    return rank * (seen === 0 ? most : seen);
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
    for (const [p, rows] of this.rows.entries()) {
      const { usedEnd, usedRanks } = rows.layout;
      this.#usedEnds[p] = Math.max(this.#usedEnds[p] ?? 0, usedEnd);
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
