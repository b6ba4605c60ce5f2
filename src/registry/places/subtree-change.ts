/** Nodes that come back into the tree, with their revisions and aliases. */
import type { Transaction } from '../../database/database.js';
import { toAliasRecord, type RegistryChange } from '../changed-rows.js';
import { nodeRecordColumns, revisionRecordColumns, toNodeRecord, toRevisionRecord } from '../records-of-rows.js';

/** Of ids in one query. */
const CHUNK = 5_000;

/** Rows of nodes that were deleted together are there again. */
export async function markPresent(transaction: Transaction, ids: readonly string[]): Promise<void> {
  await inChunks(ids, async (some) => {
    await transaction.node.updateMany({
      where: { id: { in: some } },
      data: { deletedAt: null, version: { increment: 1 } },
    });
    return [];
  });
}

export async function readSubtree(transaction: Transaction, ids: readonly string[]): Promise<RegistryChange> {
  const nodes = await inChunks(ids, (some) =>
    transaction.node.findMany({ where: { id: { in: some } }, select: nodeRecordColumns }),
  );
  const revisions = await inChunks(ids, (some) =>
    transaction.revision.findMany({ where: { nodeId: { in: some } }, select: revisionRecordColumns }),
  );
  const aliases = await inChunks(ids, (some) => transaction.alias.findMany({ where: { nodeId: { in: some } } }));
  return {
    nodes: nodes.map(toNodeRecord),
    revisions: revisions.map(toRevisionRecord),
    aliases: [...new Set(aliases.map(({ nodeId }) => nodeId))].map((nodeId) => ({
      nodeId,
      aliases: aliases.filter((alias) => alias.nodeId === nodeId).map(toAliasRecord),
    })),
  };
}

async function inChunks<Row>(ids: readonly string[], find: (some: string[]) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < ids.length; i += CHUNK) rows.push(...(await find(ids.slice(i, i + CHUNK))));
  return rows;
}
