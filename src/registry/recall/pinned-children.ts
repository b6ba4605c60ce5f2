/** Which revisions of a node's children were trained on one of its own, and so are served on it unless it is recalled. */
import type { Transaction } from '../../database/database.js';
import type { Prisma } from '../../database/generated/client.js';

/** No more are named. */
const MAX_NAMED = 100;

export interface PinnedChildren {
  total: number;
  named: { nodeId: string; name: string; number: number; isHead: boolean }[];
}

export async function pinnedChildren(
  transaction: Transaction,
  nodeId: string,
  revisionId: string,
): Promise<PinnedChildren> {
  const where: Prisma.RevisionWhereInput = {
    trainedOnId: revisionId,
    // What follows, or lay elsewhere when it was trained, isn't pinned.
    node: { parentId: nodeId, policy: 'pinned', detached: false, deletedAt: null },
  };
  const total = await transaction.revision.count({ where });
  const rows = await transaction.revision.findMany({
    where,
    orderBy: [{ node: { name: 'asc' } }, { number: 'asc' }],
    take: MAX_NAMED,
    select: { id: true, number: true, node: { select: { id: true, name: true, headId: true } } },
  });
  return {
    total,
    named: rows.map(({ id, number, node }) => ({
      nodeId: node.id,
      name: node.name,
      number,
      isHead: id === node.headId,
    })),
  };
}
