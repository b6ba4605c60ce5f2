/**
 * Rows → logits: builds the feeds of one run, runs the session, and puts the new K and V into the cache. No queue here.
 *
 * A run has one T (rows are padded on the right) and one S. Rows without a past run with S = 0 whatever their capacity.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { BatchInputs, type BatchPart } from './batch-inputs.js';
import { allFinite } from './finite.js';
import type { KvBucket } from './kv-bucket.js';
import type { KvCache } from './kv-cache.js';
import type { InputTensor, Session } from './ort.js';
import { beside, IS_BESIDE, LOGITS, NEW_K, NEW_V, pastK, pastV } from '../graph/ports.js';
import { bool, float32 } from './ort.js';
import type { AdapterUse } from './protocol.js';
import type { RankFeed } from './rank-rows.js';

/** What one row adds in a run. */
export interface RunnerRow {
  /** Its name in the KV cache, where it must have capacity for start + tokens. */
  row: string;
  /** New tokens, at least one. */
  tokens: readonly number[];
  /** Position of the first of them: how many the cache has. */
  start: number;
  /** Root to leaf, all acquired. Keep the same array while nothing changes: what is built for it is reused. */
  adapters: readonly AdapterUse[];
  /** Indices into `tokens`, ascending, whose logits are wanted; may be empty. */
  logitsAt: readonly number[];
}

/** A part of a run, as far as its adapters are concerned. */
export interface RankPart {
  /** In the order of the batch. */
  rows: readonly RunnerRow[];
  /** T */
  tokens: number;
  /** Of the KV cache; 0 where all rows start. */
  capacity: number;
}

export interface RankRun {
  /** One, or two. */
  parts: readonly RankPart[];
  /** Nothing may be fed that isn't the rows' own. */
  alone: boolean;
}

/** What the LoRA ports of a run are fed. */
export interface RankFeeds {
  /** A projection each; none at all where the graph has no LoRA ports. */
  shared: readonly RankFeed[];
  /** Digests that are in private slots, and so masked in the shared ports; not in lm_head's. */
  slotted: ReadonlySet<string>;
  /** Input name → tensor. */
  slots: readonly (readonly [string, InputTensor])[];
}

/** Where the runner gets the rank rows of its rows' adapters. */
export interface RankSource {
  feed(run: RankRun): RankFeeds;
  /** Whether a run of both costs less than two. */
  joins(first: RankPart, second: RankPart): boolean;
}

/** A part of a run, and what of the cache it is fed. */
interface PlacedPart extends BatchPart {
  past: readonly (readonly [string, InputTensor])[];
}

interface RowResult {
  /** [logitsAt.length, vocab] */
  logits: Float32Array;
  finite: boolean;
}

// One token each of no row: the runtime can't reshape to two sizes of 0.
const NOBODY: BatchPart = { rows: [], ordered: [], tokens: 1, capacity: 0 };
const NO_RANKS: RankFeeds = { shared: [], slotted: new Set(), slots: [] };
const THERE = bool(true);

export class Runner {
  readonly #config: ModelConfig;
  readonly #session: Session;
  readonly #kv: KvCache;
  readonly #ranks: RankSource;
  readonly #inputs: BatchInputs;
  /** Rows whose numbers overflowed, so that their past is incomplete. */
  readonly #overflowed = new Set<string>();
  /** Of the last run, to be changed into those of the next. */
  readonly #feeds: Record<string, InputTensor> = {};
  readonly #ranksFed: (readonly (readonly [string, InputTensor])[])[] = [];
  /** Empty pasts, by number of rows. */
  readonly #noPast = new Map<number, (readonly [string, InputTensor])[]>();
  /** What a second part is fed that isn't there; null where the graph knows of none. */
  readonly #nobody: Record<string, InputTensor> | null = null;

  constructor(config: ModelConfig, session: Session, kv: KvCache, ranks: RankSource) {
    this.#config = config;
    this.#session = session;
    this.#kv = kv;
    this.#ranks = ranks;
    this.#inputs = new BatchInputs(config);
    if (!session.inputNames.includes(IS_BESIDE)) return;
    this.#nobody = { [IS_BESIDE]: bool(false) };
    this.#inputs.build([NOBODY, NOBODY], NO_RANKS, this.#nobody);
    for (const [name, tensor] of this.#emptyPast(0)) this.#nobody[beside(name)] = tensor;
    // The other inputs are fed with every run.
    Object.assign(this.#feeds, this.#nobody);
  }

  /** Whether rows of another length and capacity can be computed beside the first. */
  get runsTwoParts(): boolean {
    return this.#nobody !== null;
  }

  /**
   * Rows of one KV capacity, or rows that all start at 0; `others`, which are such rows too, are computed in the same run.
   * Returns [logitsAt.length, vocab] for each row, in order, those of the others last.
   *
   * A row whose own numbers overflow gets NaN logits, in this run and in all later ones until it starts at 0 again. It
   * harms no other row, and leaves nothing in the cache that could harm the next one in its place.
   */
  async run(rows: readonly RunnerRow[], others: readonly RunnerRow[] = []): Promise<Float32Array[]> {
    const all = [...rows, ...others];
    for (const { row, start } of all) if (start === 0) this.#overflowed.delete(row);
    const results = await this.#runParts([rows, others].filter(({ length }) => length > 0));
    const logits: Float32Array[] = [];
    for (const [i, row] of all.entries()) {
      // 0 × Inf is NaN: in a shared LoRA port one row's overflow may have reached the others. Alone, nothing can.
      let result = results[i];
      if (result?.finite !== true) [result] = await this.#runOnce([this.#place([row])], true);
      if (result?.finite !== true) this.#markOverflowed(row.row);
      // There is one for each row.
      logits.push((result as RowResult).logits);
      if (this.#overflowed.has(row.row)) logits.at(-1)?.fill(NaN);
    }
    return logits;
  }

  #markOverflowed(row: string): void {
    for (const marked of this.#overflowed) if (!this.#kv.has(marked)) this.#overflowed.delete(marked);
    this.#overflowed.add(row);
  }

  async #runParts(parts: readonly (readonly RunnerRow[])[]): Promise<RowResult[]> {
    if (parts.length > 1 && this.runsTwoParts) {
      const placed = this.#placeTogether(parts);
      const [first, second] = placed?.map(rankPart) ?? [];
      const joins = first !== undefined && second !== undefined && this.#ranks.joins(first, second);
      if (placed !== null && joins) return this.#runOnce(placed, false);
    }
    const results: RowResult[] = [];
    for (const rows of parts) results.push(...(await this.#runOnce([this.#place(rows)], false)));
    return results;
  }

  async #runOnce(parts: readonly PlacedPart[], alone: boolean): Promise<RowResult[]> {
    if (parts.length === 0) return [];
    const ranks = this.#ranks.feed({ parts: parts.map(rankPart), alone });
    const feeds = this.#feedRanks(ranks);
    this.#feedPasts(parts, feeds);
    this.#inputs.build(parts, ranks, feeds);

    const outputs = await this.#session.run(
      feeds,
      parts.length > 1 ? [LOGITS, NEW_K, NEW_V, beside(NEW_K), beside(NEW_V)] : [LOGITS, NEW_K, NEW_V],
    );
    const output = (name: string): Float32Array => {
      const data = outputs[name]?.data;
      if (data === undefined) throw new Error(`the graph lacks ${name}`);
      return data;
    };
    const logits = output(LOGITS);
    let at = 0;
    return parts.flatMap(({ rows, ordered, tokens }, part) => {
      const [k, v] = [NEW_K, NEW_V].map((name) => output(part === 0 ? name : beside(name))) as [
        Float32Array,
        Float32Array,
      ];
      const newElements = k.length / rows.length;
      return rows.map((row) => {
        const from = at;
        at += row.logitsAt.length * this.#config.vocabSize;
        const index = ordered.indexOf(row);
        const finite =
          allFinite(logits, from, at) &&
          allFinite(k, index * newElements, (index + 1) * newElements) &&
          allFinite(v, index * newElements, (index + 1) * newElements);
        if (finite) this.#kv.write(row.row, row.start, row.tokens.length, index, { k, v, tokens });
        return { logits: logits.subarray(from, at), finite };
      });
    });
  }

  #feedPasts([first, second]: readonly PlacedPart[], feeds: Record<string, InputTensor>): void {
    for (const [name, tensor] of first?.past ?? []) feeds[name] = tensor;
    if (this.#nobody === null) return;
    if (second !== undefined) {
      for (const [name, tensor] of second.past) feeds[beside(name)] = tensor;
      feeds[IS_BESIDE] = THERE;
    } else if (feeds[IS_BESIDE] === THERE) {
      // The first part's are fed in their place afterwards.
      Object.assign(feeds, this.#nobody);
    }
  }

  /** Lets go of the rank rows that the last run was fed, which would keep their memory for the next. */
  forgetRanks(): void {
    for (const tensors of this.#ranksFed.splice(0)) {
      for (const [name] of tensors) Reflect.deleteProperty(this.#feeds, name);
    }
  }

  /** All that the LoRA ports are fed. Hundreds of tensors: only what isn't the same as in the last run is touched. */
  #feedRanks({ shared, slots }: RankFeeds): Record<string, InputTensor> {
    for (const [i, tensors] of [slots, ...shared.map(({ tensors }) => tensors)].entries()) {
      if (this.#ranksFed[i] === tensors) continue;
      for (const [name, tensor] of tensors) this.#feeds[name] = tensor;
      this.#ranksFed[i] = tensors;
    }
    return this.#feeds;
  }

  /** Null where rows of one bucket don't lie as both parts need them. */
  #placeTogether(parts: readonly (readonly RunnerRow[])[]): PlacedPart[] | null {
    // The smaller part last: a single row lies well anywhere, and moves none of the others.
    const [larger = [], smaller = []] = [...parts].sort((one, other) => other.length - one.length);
    this.#place(larger);
    this.#place(smaller);
    const isWhole = larger.every(({ start }) => start === 0) || this.#bucketOf(larger).areNeighbours(larger.map(idOf));
    return isWhole ? parts.map((rows) => this.#place(rows)) : null;
  }

  /** The order in which the rows lie in the cache, and what of it they are fed. */
  #place(rows: readonly RunnerRow[]): PlacedPart {
    const tokens = rows.reduce((longest, row) => Math.max(longest, row.tokens.length), 0);
    if (rows.every(({ start }) => start === 0)) {
      return { rows, tokens, ordered: rows, past: this.#emptyPast(rows.length), capacity: 0 };
    }
    const bucket = this.#bucketOf(rows);
    const first = bucket.gather(rows.map(idOf));
    const ordered = [...rows].sort((one, other) => bucket.slotOf(one.row) - bucket.slotOf(other.row));
    return { rows, tokens, ordered, past: bucket.feed(first, rows.length), capacity: bucket.capacity };
  }

  /** Of rows that have one. */
  #bucketOf(rows: readonly RunnerRow[]): KvBucket {
    return this.#kv.bucket((rows[0] as RunnerRow).row);
  }

  #emptyPast(rows: number): readonly (readonly [string, InputTensor])[] {
    const { layers, kvHeads, headDim } = this.#config;
    const known = this.#noPast.get(rows);
    if (known !== undefined) return known;
    const past = Array.from({ length: layers }, (_, layer) => [
      [pastK(layer), float32(new Float32Array(0), [rows, kvHeads, headDim, 0])] as const,
      [pastV(layer), float32(new Float32Array(0), [rows, kvHeads, 0, headDim])] as const,
    ]).flat();
    this.#noPast.set(rows, past);
    return past;
  }
}

function rankPart({ ordered, tokens, capacity }: PlacedPart): RankPart {
  return { rows: ordered, tokens, capacity };
}

function idOf({ row }: RunnerRow): string {
  return row;
}
