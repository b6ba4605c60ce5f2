/**
 * Rows → logits: has the feeds of one run built, runs a session that can do it, and puts the new K and V into the cache. No queue here.
 *
 * A run has one T (rows are padded on the right) and one S. Rows without a past run with S = 0 whatever their capacity.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { BatchInputs } from './batch-inputs.js';
import { allFinite } from './finite.js';
import type { FormSession, RunSessions } from './graph-forms.js';
import type { KvBucket } from './kv-bucket.js';
import type { KvCache } from './kv-cache.js';
import { float32 } from './ort.js';
import { beside, LOGIT_MAXIMA, LOGIT_SUMS, LOGITS, NEW_K, NEW_V, pastK, pastV } from '../graph/ports.js';
import type { AdapterUse } from './protocol.js';
import type { RankPart, RankSource } from './rank-feeds.js';
import { HostLogits, type RowLogits } from './run-logits.js';
import { type NamedTensors, type PlacedPart, SessionFeeds } from './session-feeds.js';

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

export class Runner {
  readonly #config: ModelConfig;
  readonly #sessions: RunSessions;
  readonly #kv: KvCache;
  readonly #ranks: RankSource;
  readonly #inputs: BatchInputs;
  /** Rows whose numbers overflowed, so that their past is incomplete. */
  readonly #overflowed = new Set<string>();
  readonly #feeds = new Map<FormSession, SessionFeeds>();
  /** Of the last run. Those of other sessions hold on to nothing large. */
  #fed: SessionFeeds | null = null;
  /** Empty pasts, by number of rows. */
  readonly #noPast = new Map<number, NamedTensors>();

  constructor(config: ModelConfig, sessions: RunSessions, kv: KvCache, ranks: RankSource) {
    this.#config = config;
    this.#sessions = sessions;
    this.#kv = kv;
    this.#ranks = ranks;
    this.#inputs = new BatchInputs(config);
  }

  /** Whether rows of another length and capacity can be computed beside the first. */
  get runsTwoParts(): boolean {
    return this.#sessions.runsTwoParts;
  }

  /**
   * Rows of one KV capacity, or rows that all start at 0; `others`, which are such rows too, are computed in the same run.
   * Returns the logits of each row, in order, those of the others last.
   *
   * A row whose own numbers overflow has no finite logits, in this run and in all later ones until it starts at 0 again.
   * It harms no other row, and leaves nothing in the cache that could harm the next one in its place.
   */
  async run(rows: readonly RunnerRow[], others: readonly RunnerRow[] = []): Promise<RowLogits[]> {
    const all = [...rows, ...others];
    for (const { row, start } of all) if (start === 0) this.#overflowed.delete(row);
    const results = await this.#runParts([rows, others].filter(({ length }) => length > 0));
    const logits: RowLogits[] = [];
    for (const [i, row] of all.entries()) {
      // 0 × Inf is NaN: in a shared LoRA port one row's overflow may have reached the others. Alone, nothing can.
      let result = results[i];
      if (result?.finite !== true) [result] = await this.#runOnce([this.#place([row])], true);
      if (result?.finite !== true) this.#markOverflowed(row.row);
      // There is one for each row.
      logits.push({ ...(result as RowLogits), finite: !this.#overflowed.has(row.row) });
    }
    return logits;
  }

  #markOverflowed(row: string): void {
    for (const marked of this.#overflowed) if (!this.#kv.has(marked)) this.#overflowed.delete(marked);
    this.#overflowed.add(row);
  }

  async #runParts(parts: readonly (readonly RunnerRow[])[]): Promise<RowLogits[]> {
    if (parts.length > 1 && this.runsTwoParts) {
      const placed = this.#placeTogether(parts);
      const [first, second] = placed?.map(rankPart) ?? [];
      const joins = first !== undefined && second !== undefined && this.#ranks.joins(first, second);
      if (placed !== null && joins) return this.#runOnce(placed, false);
    }
    const results: RowLogits[] = [];
    for (const rows of parts) results.push(...(await this.#runOnce([this.#place(rows)], false)));
    return results;
  }

  async #runOnce(parts: readonly PlacedPart[], alone: boolean): Promise<RowLogits[]> {
    if (parts.length === 0) return [];
    const ranks = this.#ranks.feed({ parts: parts.map(rankPart), alone });
    const oneToken = parts.length === 1 && parts[0]?.tokens === 1;
    const form = this.#sessions.for({ lora: ranks.used, oneToken });
    const outputs = await form.session.run(
      this.#feedsOf(form).build(parts, ranks),
      parts.length > 1 ? [...OUTPUTS, beside(NEW_K), beside(NEW_V)] : OUTPUTS,
    );
    const output = (name: string): Float32Array => {
      const data = outputs[name]?.data;
      if (data === undefined) throw new Error(`the graph lacks ${name}`);
      return data;
    };
    const sums = output(LOGIT_SUMS);
    const run = new HostLogits(this.#config.vocabSize, output(LOGITS), output(LOGIT_MAXIMA), this.#sessions.masses);
    let first = 0;
    return parts.flatMap(({ rows, ordered, tokens }, part) => {
      const [k, v] = [NEW_K, NEW_V].map((name) => output(part === 0 ? name : beside(name))) as [
        Float32Array,
        Float32Array,
      ];
      const newElements = k.length / rows.length;
      return rows.map((row) => {
        const logits = { run, first, count: row.logitsAt.length };
        first += logits.count;
        const index = ordered.indexOf(row);
        const finite =
          allFinite(sums, logits.first, first) &&
          allFinite(k, index * newElements, (index + 1) * newElements) &&
          allFinite(v, index * newElements, (index + 1) * newElements);
        if (finite) this.#kv.write(row.row, row.start, row.tokens.length, index, { k, v, tokens });
        return { ...logits, finite };
      });
    });
  }

  /** Lets go of what the last run was fed, which would keep its memory for the next. */
  forgetFeeds(): void {
    this.#fed?.forget();
    this.#inputs.forget();
  }

  #feedsOf(form: FormSession): SessionFeeds {
    const feeds = this.#feeds.get(form) ?? new SessionFeeds(form, this.#inputs, this.#emptyPast(0));
    this.#feeds.set(form, feeds);
    if (feeds !== this.#fed) this.#fed?.forget();
    this.#fed = feeds;
    return feeds;
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

  #emptyPast(rows: number): NamedTensors {
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

const OUTPUTS = [LOGITS, LOGIT_MAXIMA, LOGIT_SUMS, NEW_K, NEW_V];

function rankPart({ ordered, tokens, capacity }: PlacedPart): RankPart {
  return { rows: ordered, tokens, capacity };
}

function idOf({ row }: RunnerRow): string {
  return row;
}
