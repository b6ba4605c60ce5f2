/**
 * Rows → logits on the GPU: builds the feeds of one run and runs the session, which writes the new K and V into the pool
 * where it lies. Down come the wanted logits and, for each token, whether its numbers are finite.
 */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { TOKEN_CHECK } from '../../graph/pool-ports.js';
import { LOGITS } from '../../graph/ports.js';
import { allFinite } from '../finite.js';
import type { Feeds, InputTensor, Session } from '../ort.js';
import type { RankFeed } from '../rank-rows.js';
import type { RunnerRow } from '../runner.js';
import { gpuInputs } from './gpu-inputs.js';
import type { GpuKv } from './gpu-kv.js';

/** Where the runner gets the rank rows of its rows' adapters. */
export interface GpuRankSource {
  /** A projection each; none at all where the graph has no LoRA ports. */
  ready(digests: ReadonlySet<string>): Promise<readonly RankFeed[]>;
}

interface RowResult {
  /** [logitsAt.length, vocab] */
  logits: Float32Array;
  finite: boolean;
}

export class GpuRunner {
  readonly #config: ModelConfig;
  readonly #session: Session;
  readonly #kv: GpuKv;
  readonly #ranks: GpuRankSource;
  /** Weights and tables: fed with every run. */
  readonly #constant: Feeds;
  /** Rows whose numbers overflowed, so that their past is incomplete. */
  readonly #overflowed = new Set<string>();

  constructor(config: ModelConfig, session: Session, constant: Feeds, kv: GpuKv, ranks: GpuRankSource) {
    this.#config = config;
    this.#session = session;
    this.#constant = constant;
    this.#kv = kv;
    this.#ranks = ranks;
  }

  /**
   * Returns [logitsAt.length, vocab] for each row, in order. Rows may start anywhere, whatever their lengths.
   *
   * A row whose own numbers overflow gets NaN logits, in this run and in all later ones until it begins anew. It harms no
   * other row, and nothing of it is read by the next one that gets its blocks.
   */
  async run(rows: readonly RunnerRow[]): Promise<Float32Array[]> {
    if (rows.length === 0) return [];
    for (const { row, start } of rows) if (start === this.#kv.reused(row)) this.#overflowed.delete(row);
    const results = await this.#runOnce(rows);
    const logits: Float32Array[] = [];
    for (const [i, row] of rows.entries()) {
      // 0 × Inf is NaN: in the shared LoRA port one row's overflow may have reached the others. Alone, nothing can; and
      // it writes the same places of the cache again.
      let result = results[i];
      if (result?.finite !== true) [result] = await this.#runOnce([row]);
      if (result?.finite === true) this.#kv.wrote(row.row, row.start, row.tokens.length);
      else this.#markOverflowed(row.row);
      // There is one for each row.
      logits.push((result as RowResult).logits);
      if (this.#overflowed.has(row.row)) logits.at(-1)?.fill(NaN);
    }
    return logits;
  }

  #markOverflowed(row: string): void {
    for (const marked of this.#overflowed) if (!this.#kv.has(marked)) this.#overflowed.delete(marked);
    this.#overflowed.add(row);
    this.#kv.soil(row);
  }

  async #runOnce(rows: readonly RunnerRow[]): Promise<RowResult[]> {
    const tokens = rows.reduce((longest, row) => Math.max(longest, row.tokens.length), 0);
    const digests = new Set(rows.flatMap(({ adapters }) => adapters.map(({ digest }) => digest)));
    await this.#kv.prepare();
    const ranks = await this.#ranks.ready(digests);
    const pool = this.#kv.feeds();
    const feeds: Record<string, InputTensor> = {
      ...this.#constant,
      ...pool.fed,
      ...gpuInputs(this.#config, this.#kv, { rows, tokens, ranks }),
    };
    for (const { tensors } of ranks) for (const [name, tensor] of tensors) feeds[name] = tensor;

    const outputs = await this.#session.run(feeds, [LOGITS, TOKEN_CHECK], pool.written);
    const [logits, check] = [outputs[LOGITS]?.data, outputs[TOKEN_CHECK]?.data];
    if (logits === undefined || check === undefined) throw new Error('the graph lacks an output');
    let at = 0;
    return rows.map((row, b) => {
      const from = at;
      at += row.logitsAt.length * this.#config.vocabSize;
      const finite = allFinite(logits, from, at) && allFinite(check, b * tokens, (b + 1) * tokens);
      return { logits: logits.subarray(from, at), finite };
    });
  }
}
