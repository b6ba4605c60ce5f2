/** Where the rank rows of one projection lie: the bank says what goes where, and this holds it. */
import type { Projection } from '../formats/checkpoint/modules.js';
import type { FoldedAdapter } from './folded-adapter.js';
import type { RankLayout } from './rank-layout.js';

export interface RankStore {
  readonly projection: Projection;
  readonly layout: RankLayout;
  readonly bytes: number;
  /** Rows that there is memory for. */
  readonly capacity: number;
  /** The adapter's rank here: 0 if it doesn't touch this projection. */
  rankOf(adapter: FoldedAdapter): number;
  /** Writes an adapter's rows at `offset`. Modules with less rank, or none, are zero in what is left. */
  write(adapter: FoldedAdapter, offset: number, rank: number): void;
  /** Slides the adapters in use together at the front. Cold ones in the way must be gone. */
  compact(): void;
  /** Keeps memory for so many rows at the most. Adapters must have none behind them. */
  shrink(rows: number): void;
  /** Its rows stay until they are needed, copies of them don't. */
  setInUse(digest: string, inUse: boolean): void;
}
