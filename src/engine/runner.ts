/**
 * Rows → logits: builds the feeds of one run, runs the session, and puts the new K and V into the cache. No queue here.
 *
 * A run has one T (rows are padded on the right) and one S. Rows without a past run with S = 0 whatever their capacity.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { BatchInputs } from './batch-inputs.js';
import { allFinite } from './finite.js';
import type { KvCache } from './kv-cache.js';
import type { InputTensor, Session } from './ort.js';
import { LOGITS, NEW_K, NEW_V, pastK, pastV } from '../graph/ports.js';
import { float32 } from './ort.js';
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

/** A run, as far as its adapters are concerned. */
export interface RankRun {
  /** In the order of the batch. */
  rows: readonly RunnerRow[];
  /** T */
  tokens: number;
  /** Of the KV cache; 0 where all rows start. */
  capacity: number;
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
}

interface RowResult {
  /** [logitsAt.length, vocab] */
  logits: Float32Array;
  finite: boolean;
}

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

  constructor(config: ModelConfig, session: Session, kv: KvCache, ranks: RankSource) {
    this.#config = config;
    this.#session = session;
    this.#kv = kv;
    this.#ranks = ranks;
    this.#inputs = new BatchInputs(config);
  }

  /**
   * Rows of one KV capacity, or rows that all start at 0. Returns [logitsAt.length, vocab] for each row, in order.
   *
   * A row whose own numbers overflow gets NaN logits, in this run and in all later ones until it starts at 0 again. It
   * harms no other row, and leaves nothing in the cache that could harm the next one in its place.
   */
  async run(rows: readonly RunnerRow[]): Promise<Float32Array[]> {
    if (rows.length === 0) return [];
    for (const { row, start } of rows) if (start === 0) this.#overflowed.delete(row);
    const results = await this.#runOnce(rows, false);
    const logits: Float32Array[] = [];
    for (const [i, row] of rows.entries()) {
      // 0 × Inf is NaN: in a shared LoRA port one row's overflow may have reached the others. Alone, nothing can.
      let result = results[i];
      if (result?.finite !== true) [result] = await this.#runOnce([row], true);
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

  async #runOnce(rows: readonly RunnerRow[], alone: boolean): Promise<RowResult[]> {
    const { ordered, past, capacity } = this.#place(rows);
    const tokens = rows.reduce((longest, row) => Math.max(longest, row.tokens.length), 0);
    const ranks = this.#ranks.feed({ rows: ordered, tokens, capacity, alone });
    const feeds = this.#feedRanks(ranks);
    for (const [name, tensor] of past) feeds[name] = tensor;
    this.#inputs.build({ rows, ordered, tokens, capacity, ranks }, feeds);

    const outputs = await this.#session.run(feeds, [LOGITS, NEW_K, NEW_V]);
    const [logits, k, v] = [outputs[LOGITS], outputs[NEW_K], outputs[NEW_V]].map((output) => {
      if (output === undefined) throw new Error('the graph lacks an output');
      return output.data;
    }) as [Float32Array, Float32Array, Float32Array];
    const newElements = k.length / rows.length;
    let at = 0;
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

  /** The order in which the rows lie in the cache, and what of it they are fed. */
  #place(rows: readonly RunnerRow[]): {
    ordered: readonly RunnerRow[];
    past: readonly (readonly [string, InputTensor])[];
    capacity: number;
  } {
    if (rows.every(({ start }) => start === 0)) {
      return { ordered: rows, past: this.#emptyPast(rows.length), capacity: 0 };
    }
    const bucket = this.#kv.bucket((rows[0] as RunnerRow).row);
    const first = bucket.gather(rows.map(({ row }) => row));
    const ordered = [...rows].sort((one, other) => bucket.slotOf(one.row) - bucket.slotOf(other.row));
    return { ordered, past: bucket.feed(first, rows.length), capacity: bucket.capacity };
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
