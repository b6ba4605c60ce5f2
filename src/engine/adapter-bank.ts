/** The bank in the CPU's memory: its rank rows are fed as views of arrays. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { Projection } from '../formats/checkpoint/modules.js';
import { type BankOptions, RankBank } from './rank-bank.js';
import { type RankFeed, RankRows } from './rank-rows.js';
import type { BankStats } from './served-model.js';

export class AdapterBank extends RankBank<RankRows> {
  /** Bytes of the copies of rows that private slots hold. */
  slotBytes: () => number = () => 0;

  constructor(config: ModelConfig, options: BankOptions) {
    super(config, options, (projection, modules) => new RankRows(projection, modules));
  }

  override get stats(): BankStats {
    const stats = super.stats;
    return { ...stats, bytes: stats.bytes + this.slotBytes() };
  }

  /**
   * What a run of so many tokens is fed for the shared ports, a projection each. All the adapters must be acquired.
   * `lm_head` may be fed more of them, because it has no private port.
   */
  feed(digests: ReadonlySet<string>, tokens: number, exact = false, forHead = digests): RankFeed[] {
    this.assertBanked([...digests, ...forHead]);
    return this.rows.map((rows) => rows.feed(rows.projection === 'lm_head' ? forHead : digests, tokens, exact));
  }

  /** By projection. */
  ranksOf(digest: string): readonly number[] {
    return this.rows.map(({ layout }) => layout.span(digest)?.rank ?? 0);
  }

  /** An adapter's rows of one module. a: [rank, in], b: [rank, out] */
  rowsOf(projection: Projection, layer: number, digest: string): ReturnType<RankRows['rowsOf']> {
    return this.rows.find((rows) => rows.projection === projection)?.rowsOf(layer, digest);
  }
}
