/**
 * The rank rows of one projection: for each of its modules A [capacity, in] and B [capacity, out], adapters at the same
 * rows in all. A run is fed views. Where those would hold too many rows of other adapters, a copy of just its own is
 * made, once for as long as the same set runs.
 */
import type { LinearModule, Projection } from '../formats/checkpoint/modules.js';
import { loraA, loraB } from '../graph/ports.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { float32, type InputTensor } from './ort.js';
import { RankLayout } from './rank-layout.js';
import type { RankStore } from './rank-store.js';

const FIRST_CAPACITY = 32;
/**
 * What a fed row that no row of the run needs costs: reading it, in multiples of one token's product with it (see
 * port-costs.ts). Copying a row into a new array costs about seven times as much as reading it.
 */
const READ_COST = 7;
const COPY_COST = 7 * READ_COST;
/** Sets of adapters whose waste is remembered. */
const MAX_WASTES = 64;
/** Windows whose views are kept: a large bank that rests has one for each pair of spans. */
const MAX_WINDOWS = 64;

interface ModuleRows {
  module: LinearModule;
  aName: string;
  bName: string;
  /** [capacity, in] */
  a: Float32Array;
  /** [capacity, out] */
  b: Float32Array;
}

/** What a run is fed for one projection. */
export interface RankFeed {
  /** R */
  rows: number;
  /** Where the adapter's rows begin in what is fed, and how many they are. */
  spans: ReadonlyMap<string, { offset: number; rank: number }>;
  /** Input name → tensor. */
  tensors: readonly (readonly [string, InputTensor])[];
}

export class RankRows implements RankStore {
  readonly projection: Projection;
  readonly layout = new RankLayout();
  readonly #modules: ModuleRows[];
  readonly #nothing: RankFeed;
  #capacity = 0;
  /** Views that are still true, by first and last row: forgotten when rows are written or moved. */
  #windows = new Map<string, RankFeed>();
  /** Copies of sets of adapters, oldest first. They stay true, because what a digest names doesn't change. */
  readonly #gathered = new Map<string, RankFeed>();
  /** What windows of a set of adapters have cost so far above what is needed. */
  readonly #wasted = new Map<string, number>();

  constructor(projection: Projection, modules: readonly LinearModule[]) {
    this.projection = projection;
    this.#modules = modules.map((module) => ({
      module,
      aName: loraA(module.name),
      bName: loraB(module.name),
      a: new Float32Array(0),
      b: new Float32Array(0),
    }));
    this.#nothing = { rows: 0, spans: new Map(), tensors: this.#views(0, 0) };
  }

  get bytes(): number {
    const rowBytes =
      this.#modules.reduce((sum, { module: { inFeatures, outFeatures } }) => sum + inFeatures + outFeatures, 0) *
      Float32Array.BYTES_PER_ELEMENT;
    const copied = [...this.#gathered.values()].reduce((sum, { rows }) => sum + rows, 0);
    return (this.#capacity + copied) * rowBytes;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** The adapter's rank here: 0 if it doesn't touch this projection. */
  rankOf(adapter: FoldedAdapter): number {
    let rank = 0;
    for (const { module } of this.#modules) rank = Math.max(rank, adapter.deltas.get(module.name)?.rank ?? 0);
    return rank;
  }

  /** An adapter's rows of one of the projection's modules, in the order of the layers. a: [rank, in], b: [rank, out] */
  rowsOf(module: number, digest: string): { rank: number; a: Float32Array; b: Float32Array } | undefined {
    const span = this.layout.span(digest);
    const rows = this.#modules[module];
    if (span === undefined || rows === undefined) return undefined;
    const { inFeatures, outFeatures } = rows.module;
    const end = span.offset + span.rank;
    return {
      rank: span.rank,
      a: rows.a.subarray(span.offset * inFeatures, end * inFeatures),
      b: rows.b.subarray(span.offset * outFeatures, end * outFeatures),
    };
  }

  /** Writes an adapter's rows at `offset`. Modules with less rank, or none, are zero in what is left. */
  write(adapter: FoldedAdapter, offset: number, rank: number): void {
    this.#reserve(offset + rank);
    for (const { module, a, b } of this.#modules) {
      const delta = adapter.deltas.get(module.name);
      const end = offset + rank;
      const filled = offset + (delta?.rank ?? 0);
      if (delta !== undefined) {
        a.set(delta.a, offset * module.inFeatures);
        b.set(delta.b, offset * module.outFeatures);
      }
      a.fill(0, filled * module.inFeatures, end * module.inFeatures);
      b.fill(0, filled * module.outFeatures, end * module.outFeatures);
    }
    this.layout.place(adapter.digest, offset, rank);
    this.#changed();
  }

  /** Slides the adapters in use together at the front. Cold ones in the way must be gone. */
  compact(): void {
    const moves = this.layout.compact();
    if (moves.length === 0) return;
    for (const { module, a, b } of this.#modules) {
      for (const { from, to, rank } of moves) {
        a.copyWithin(to * module.inFeatures, from * module.inFeatures, (from + rank) * module.inFeatures);
        b.copyWithin(to * module.outFeatures, from * module.outFeatures, (from + rank) * module.outFeatures);
      }
    }
    this.#changed();
  }

  shrink(rows: number): void {
    if (rows < this.#capacity) this.#resize(rows);
  }

  /** Its rows stay until they are needed, copies of them don't. */
  setInUse(digest: string, inUse: boolean): void {
    this.layout.setInUse(digest, inUse);
    if (inUse) return;
    for (const [key, { spans }] of this.#gathered) if (spans.has(digest)) this.#gathered.delete(key);
  }

  /**
   * What a run of so many tokens is fed for the adapters of its rows: a window, until windows of this set have wasted
   * what a copy of just its rows would have cost. `exact`: not one row of any other adapter, which isolates rows from
   * each other.
   */
  feed(digests: Iterable<string>, tokens: number, exact = false): RankFeed {
    const spans = [...digests].flatMap((digest) => this.layout.span(digest) ?? []);
    if (spans.length === 0) return this.#nothing;
    const first = Math.min(...spans.map(({ offset }) => offset));
    const end = Math.max(...spans.map(({ offset, rank }) => offset + rank));
    const needed = spans.reduce((sum, { rank }) => sum + rank, 0);
    const waste = end - first - needed;
    if (waste === 0) return this.#window(first, end);
    const key = spans.map(({ digest }) => digest).join();
    const wasted = (this.#wasted.get(key) ?? 0) + waste * (tokens + READ_COST);
    if (exact || wasted > needed * COPY_COST) return this.#gathered.get(key) ?? this.#gather(key, spans, needed);
    if (this.#wasted.size >= MAX_WASTES) this.#wasted.clear();
    this.#wasted.set(key, wasted);
    return this.#window(first, end);
  }

  #window(first: number, end: number): RankFeed {
    const key = `${first}:${end}`;
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    const spans = new Map<string, { offset: number; rank: number }>();
    for (const { digest, offset, rank } of this.layout.spans) spans.set(digest, { offset: offset - first, rank });
    const feed = { rows: end - first, spans, tensors: this.#views(first, end) };
    if (this.#windows.size >= MAX_WINDOWS) this.#windows.clear();
    this.#windows.set(key, feed);
    return feed;
  }

  #views(first: number, end: number): (readonly [string, InputTensor])[] {
    return this.#modules.flatMap(({ module: { inFeatures, outFeatures }, aName, bName, a, b }) => [
      [aName, float32(a.subarray(first * inFeatures, end * inFeatures), [end - first, inFeatures])] as const,
      [bName, float32(b.subarray(first * outFeatures, end * outFeatures), [end - first, outFeatures])] as const,
    ]);
  }

  /** Copies just these rows. Older copies go as soon as all together have more rows than the adapters in use. */
  #gather(key: string, wanted: readonly { digest: string; offset: number; rank: number }[], rows: number): RankFeed {
    const spans = new Map<string, { offset: number; rank: number }>();
    let end = 0;
    for (const { digest, rank } of wanted) {
      spans.set(digest, { offset: end, rank });
      end += rank;
    }
    const copy = (all: Float32Array, width: number): InputTensor => {
      const gathered = new Float32Array(rows * width);
      let to = 0;
      for (const { offset, rank } of wanted) {
        gathered.set(all.subarray(offset * width, (offset + rank) * width), to);
        to += rank * width;
      }
      return float32(gathered, [rows, width]);
    };
    const tensors = this.#modules.flatMap(({ module, aName, bName, a, b }) => [
      [aName, copy(a, module.inFeatures)] as const,
      [bName, copy(b, module.outFeatures)] as const,
    ]);
    const feed = { rows, spans, tensors };
    this.#gathered.set(key, feed);
    this.#forgetCopies(rows);
    return feed;
  }

  #forgetCopies(newest: number): void {
    const room = Math.max(newest, this.layout.usedRanks);
    let total = [...this.#gathered.values()].reduce((sum, { rows }) => sum + rows, 0);
    for (const [key, { rows }] of this.#gathered) {
      if (total <= room) return;
      this.#gathered.delete(key);
      total -= rows;
    }
  }

  #reserve(rows: number): void {
    if (rows > this.#capacity) this.#resize(Math.max(rows, FIRST_CAPACITY, 2 * this.#capacity));
  }

  #resize(capacity: number): void {
    for (const rows of this.#modules) {
      rows.a = resized(rows.a, capacity * rows.module.inFeatures);
      rows.b = resized(rows.b, capacity * rows.module.outFeatures);
    }
    this.#capacity = capacity;
    this.#changed();
  }

  #changed(): void {
    this.#windows = new Map();
  }
}

function resized(array: Float32Array, length: number): Float32Array {
  const copy = new Float32Array(length);
  copy.set(array.subarray(0, length));
  return copy;
}
