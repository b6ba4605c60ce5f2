/** An adapter as the bank takes it: scales folded in, rows of rank, float32. */
import type { FoldedDelta } from '../lowrank/delta.js';

export interface FoldedAdapter {
  /** Revision digest. */
  digest: string;
  /** The largest rank over its modules. */
  rank: number;
  /** By PEFT module name. */
  deltas: ReadonlyMap<string, FoldedDelta>;
  bytes: number;
}

export function foldedAdapter(digest: string, deltas: ReadonlyMap<string, FoldedDelta>): FoldedAdapter {
  let rank = 0;
  let bytes = 0;
  for (const delta of deltas.values()) {
    rank = Math.max(rank, delta.rank);
    bytes += delta.a.byteLength + delta.b.byteLength;
  }
  return { digest, rank, deltas, bytes };
}
