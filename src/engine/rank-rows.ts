/**
 * The rank rows of one projection: for each of its modules A [capacity, in] and B [capacity, out], adapters at the same
 * rows in all. A run is fed views; nothing is copied for it unless most of the view would be other rows' adapters.
 */
import type { LinearModule, Projection } from '../formats/checkpoint/modules.js';
import { loraA, loraB } from '../graph/ports.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { float32, type InputTensor } from './ort.js';
import { RankLayout } from './rank-layout.js';

const FIRST_CAPACITY = 32;
/** Copying a row costs about as much as multiplying so many tokens with it (measured on two cores, in + out ≥ 1000). */
const TOKENS_PER_COPY = 80;

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

export class RankRows {
  readonly projection: Projection;
  readonly layout = new RankLayout();
  readonly #modules: ModuleRows[];
  readonly #nothing: RankFeed;
  #capacity = 0;
  /** Feeds that are still true: cleared whenever rows are written or moved. */
  #feeds = new Map<string, RankFeed>();
  #gathered: { key: string; feed: RankFeed } | null = null;

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
    return this.#modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
  }

  /** The adapter's rank here: 0 if it doesn't touch this projection. */
  rankOf(adapter: FoldedAdapter): number {
    let rank = 0;
    for (const { module } of this.#modules) rank = Math.max(rank, adapter.deltas.get(module.name)?.rank ?? 0);
    return rank;
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

  /** Frees what no adapter's rows need. */
  shrink(): void {
    let end = 0;
    for (const { offset, rank } of this.layout.spans) end = Math.max(end, offset + rank);
    if (end < this.#capacity) this.#resize(end);
  }

  /**
   * What a run of so many tokens is fed for the adapters of its rows. `exact`: not one row of any other adapter, which
   * isolates rows from each other.
   */
  feed(digests: Iterable<string>, tokens: number, exact = false): RankFeed {
    const spans = [...digests].flatMap((digest) => this.layout.span(digest) ?? []);
    if (spans.length === 0) return this.#nothing;
    const first = Math.min(...spans.map(({ offset }) => offset));
    const end = Math.max(...spans.map(({ offset, rank }) => offset + rank));
    const needed = spans.reduce((sum, { rank }) => sum + rank, 0);
    const waste = end - first - needed;
    if (waste > 0 && (exact || waste * tokens > needed * TOKENS_PER_COPY)) return this.#gather(spans, needed);
    return this.#window(first, end);
  }

  #window(first: number, end: number): RankFeed {
    const key = `${first}:${end}`;
    const known = this.#feeds.get(key);
    if (known !== undefined) return known;
    const spans = new Map<string, { offset: number; rank: number }>();
    for (const { digest, offset, rank } of this.layout.spans) spans.set(digest, { offset: offset - first, rank });
    const feed = { rows: end - first, spans, tensors: this.#views(first, end) };
    this.#feeds.set(key, feed);
    return feed;
  }

  #views(first: number, end: number): (readonly [string, InputTensor])[] {
    return this.#modules.flatMap(({ module: { inFeatures, outFeatures }, aName, bName, a, b }) => [
      [aName, float32(a.subarray(first * inFeatures, end * inFeatures), [end - first, inFeatures])] as const,
      [bName, float32(b.subarray(first * outFeatures, end * outFeatures), [end - first, outFeatures])] as const,
    ]);
  }

  /** Copies of just these rows. The newest is kept: the chunks of a prompt need the same ones. */
  #gather(wanted: readonly { digest: string; offset: number; rank: number }[], rows: number): RankFeed {
    const key = wanted.map(({ digest }) => digest).join();
    if (this.#gathered?.key === key) return this.#gathered.feed;
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
    this.#gathered = { key, feed };
    return feed;
  }

  #reserve(rows: number): void {
    if (rows > this.#capacity) this.#resize(Math.max(rows, FIRST_CAPACITY, Math.ceil(this.#capacity * 1.5)));
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
    this.#feeds = new Map();
    this.#gathered = null;
  }
}

function resized(array: Float32Array, length: number): Float32Array {
  const copy = new Float32Array(length);
  copy.set(array.subarray(0, length));
  return copy;
}
