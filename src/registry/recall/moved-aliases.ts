/** Aliases leave a revision that is recalled. */
import type { Transaction } from '../../database/database.js';
import type { AdapterTree } from '../../tree/adapter-tree.js';
import type { AliasRecord, RevisionRecord } from '../../tree/records.js';

export interface MovedAliases {
  /** `after`: number of the revision that each names now; null where it was dropped. */
  moved: { name: string; after: number | null }[];
  /** All of the node, as they are now. */
  all: readonly AliasRecord[];
}

/** To the fallback, or away where there is none. */
export async function moveAliases(
  transaction: Transaction,
  tree: AdapterTree,
  nodeId: string,
  from: RevisionRecord,
  to: RevisionRecord | null,
): Promise<MovedAliases> {
  const before = tree.aliases(nodeId);
  const moving = before.filter(({ revisionId }) => revisionId === from.id);
  if (moving.length === 0) return { moved: [], all: before };
  const where = { nodeId, revisionId: from.id };
  if (to) await transaction.alias.updateMany({ where, data: { revisionId: to.id, version: { increment: 1 } } });
  else await transaction.alias.deleteMany({ where });
  return {
    moved: moving.map(({ name }) => ({ name, after: to?.number ?? null })).sort((a, b) => (a.name < b.name ? -1 : 1)),
    all: before.flatMap((alias) => {
      if (alias.revisionId !== from.id) return [alias];
      return to ? [{ ...alias, revisionId: to.id }] : [];
    }),
  };
}
