/**
 * Which adapters of waiting rows are read now, and which stay in host memory for them. Policy only.
 *
 * Rows are looked at in the order in which they came, and each takes of the room that those before it have left: for what
 * is there already, for what is being read, and for what still has to be. Where the room ends, nothing is read or kept for
 * rows behind, however small it is: so what an older row has waited for is never dropped for a younger one, and a younger
 * one never takes the room that an older one waits for. The first in line has no limit, so every row gets its turn.
 */
import type { AdapterUse } from './protocol.js';

/** Host memory and bank, as the policy sees them. */
export interface Shelves {
  /** Of host memory, for rows that wait. */
  roomBytes: number;
  /** Adapters that may be read beside those that are being read. The first row's are read all the same. */
  reads: number;
  /** Of that room, what an adapter takes or will take. */
  bytesOf(use: AdapterUse): number;
  /** In no memory, and not on its way. */
  isAbsent(digest: string): boolean;
}

export interface ReadAhead {
  /** Digests that stay, or will, until the rows that want them have begun. */
  keep: Set<string>;
  keptBytes: number;
  read: AdapterUse[];
}

/** `rows`: the adapters of each, in the order in which the rows came. */
export function readAhead(rows: readonly (readonly AdapterUse[])[], shelves: Shelves): ReadAhead {
  const plan: ReadAhead = { keep: new Set(), keptBytes: 0, read: [] };
  for (const [place, uses] of rows.entries()) {
    for (const use of uses) {
      if (plan.keep.has(use.digest)) continue;
      const bytes = shelves.bytesOf(use);
      if (place > 0 && plan.keptBytes + bytes > shelves.roomBytes) return plan;
      plan.keep.add(use.digest);
      plan.keptBytes += bytes;
      if (shelves.isAbsent(use.digest) && (place === 0 || plan.read.length < shelves.reads)) plan.read.push(use);
    }
  }
  return plan;
}
