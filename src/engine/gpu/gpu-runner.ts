/**
 * Rows → logits on the GPU: builds the feeds of one run and runs the session, which writes the new K and V into the pool
 * where it lies. Down come, of the wanted logits, the largest of each block, and for each token whether its numbers are
 * finite.
 */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { TOKEN_CHECK } from '../../graph/pool-ports.js';
import { LOGIT_MAXIMA, LOGIT_SUMS, LOGITS } from '../../graph/ports.js';
import { allFinite } from '../finite.js';
import type { Feeds, InputTensor, Session } from '../ort.js';
import type { RankFeed } from '../rank-rows.js';
import type { RowLogits, RunLogits } from '../run-logits.js';
import type { RunnerRow } from '../runner.js';
import { gpuInputs } from './gpu-inputs.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuKv } from './gpu-kv.js';
import { GpuLogitMemory, GpuLogits } from './gpu-logits.js';

/** Where the runner gets the rank rows of its rows' adapters. */
export interface GpuRankSource {
  /** A projection each; none at all where the graph has no LoRA ports. */
  ready(digests: ReadonlySet<string>): Promise<readonly RankFeed[]>;
}

export class GpuRunner {
  readonly #config: ModelConfig;
  readonly #session: Session;
  readonly #kv: GpuKv;
  readonly #ranks: GpuRankSource;
  /** Weights and tables: fed with every run. */
  readonly #constant: Feeds;
  readonly #logits: GpuLogitMemory;
  /** Rows whose numbers overflowed, so that their past is incomplete. */
  readonly #overflowed = new Set<string>();

  constructor(
    { config, device, threads }: { config: ModelConfig; device: GpuDevice; threads: number },
    session: Session,
    constant: Feeds,
    kv: GpuKv,
    ranks: GpuRankSource,
  ) {
    this.#config = config;
    this.#logits = new GpuLogitMemory(device, config.vocabSize, threads);
    this.#session = session;
    this.#constant = constant;
    this.#kv = kv;
    this.#ranks = ranks;
  }

  /**
   * Returns the logits of each row, in order. Rows may start anywhere, whatever their lengths.
   *
   * A row whose own numbers overflow has no finite logits, in this run and in all later ones until it begins anew. It harms
   * no other row, and nothing of it is read by the next one that gets its blocks.
   */
  async run(rows: readonly RunnerRow[]): Promise<RowLogits[]> {
    this.#logits.reclaim();
    if (rows.length === 0) return [];
    for (const { row, start } of rows) if (start === this.#kv.reused(row)) this.#overflowed.delete(row);
    const results = await this.#runOnce(rows);
    const logits: RowLogits[] = [];
    for (const [i, row] of rows.entries()) {
      // 0 × Inf is NaN: in the shared LoRA port one row's overflow may have reached the others. Alone, nothing can; and
      // it writes the same places of the cache again.
      let result = results[i];
      if (result?.finite !== true) [result] = await this.#runOnce([row]);
      if (result?.finite === true) this.#kv.wrote(row.row, row.start, row.tokens.length);
      else this.#markOverflowed(row.row);
      // There is one for each row.
      logits.push({ ...(result as RowLogits), finite: !this.#overflowed.has(row.row) });
    }
    return logits;
  }

  /** Gives back memory that only a run needs. None may be under way. */
  rest(): Promise<void> {
    return this.#logits.rest();
  }

  /** No run may be under way. The session that it was given stays. */
  release(): Promise<void> {
    return this.#logits.release();
  }

  #markOverflowed(row: string): void {
    for (const marked of this.#overflowed) if (!this.#kv.has(marked)) this.#overflowed.delete(marked);
    this.#overflowed.add(row);
    this.#kv.soil(row);
  }

  async #runOnce(rows: readonly RunnerRow[]): Promise<RowLogits[]> {
    const tokens = rows.reduce((longest, row) => Math.max(longest, row.tokens.length), 0);
    const digests = new Set(rows.flatMap(({ adapters }) => adapters.map(({ digest }) => digest)));
    await this.#kv.prepare();
    const ranks = await this.#ranks.ready(digests);
    const pool = this.#kv.feeds();
    const asking = askForOne(rows);
    const feeds: Record<string, InputTensor> = {
      ...this.#constant,
      ...pool.fed,
      ...gpuInputs(this.#config, this.#kv, { rows: asking, tokens, ranks }),
    };
    for (const { tensors } of ranks) for (const [name, tensor] of tensors) feeds[name] = tensor;

    const { run, sums, check } = await this.#compute(feeds, pool.written, countOf(asking));
    let first = 0;
    return rows.map((row, b) => {
      const logits = { run, first, count: row.logitsAt.length };
      first += logits.count;
      const finite = allFinite(sums, logits.first, first) && allFinite(check, b * tokens, (b + 1) * tokens);
      return { ...logits, finite };
    });
  }

  async #compute(
    feeds: Feeds,
    pool: Feeds,
    positions: number,
  ): Promise<{ run: RunLogits; sums: Float32Array; check: Float32Array }> {
    const logits = await this.#logits.take(positions);
    const outputs = await this.#session.run(feeds, [LOGIT_MAXIMA, LOGIT_SUMS, TOKEN_CHECK], {
      ...pool,
      [LOGITS]: logits.tensor,
    });
    const output = (name: string): Float32Array => {
      const data = outputs[name]?.data;
      if (data === undefined) throw new Error(`the graph lacks ${name}`);
      return data;
    };
    const run = new GpuLogits(logits, output(LOGIT_MAXIMA), this.#logits);
    return { run, sums: output(LOGIT_SUMS), check: output(TOKEN_CHECK) };
  }
}

const countOf = (rows: readonly RunnerRow[]): number => rows.reduce((sum, { logitsAt }) => sum + logitsAt.length, 0);

/** Where no logits are wanted, those of one position, which nobody looks at: the device takes no tensor of nothing. */
function askForOne(rows: readonly RunnerRow[]): readonly RunnerRow[] {
  const [first] = rows;
  return first === undefined || countOf(rows) > 0 ? rows : [{ ...first, logitsAt: [0] }, ...rows.slice(1)];
}
