/** The rows of redirects, and what the tree is to know of them after a change. Only with the writers' lock. */
import { ulid } from 'ulid';
import type { Transaction } from '../../database/database.js';
import type { TreeChange } from '../../tree/records.js';
import { toRedirectRecord } from '../changed-rows.js';

export interface Place {
  parentId: string;
  name: string;
}

/**
 * For a node that goes to another place: the one that it leaves leads to it from now on. If it goes back to where it was
 * before, the redirect there has done its work.
 */
export async function moveRedirects(
  transaction: Transaction,
  node: { id: string; parentId: string | null; name: string },
  to: Place,
): Promise<NonNullable<TreeChange['redirects']>> {
  await transaction.redirect.deleteMany({ where: { ...to, nodeId: node.id } });
  if (node.parentId === null) return redirectsUnder(transaction, [to.parentId]);
  const { id: nodeId, parentId, name } = node;
  await transaction.redirect.create({ data: { id: ulid(), parentId, name, nodeId } });
  return redirectsUnder(transaction, [parentId, to.parentId]);
}

/** All that there are now under each of these nodes. */
export async function redirectsUnder(
  transaction: Transaction,
  parentIds: readonly string[],
): Promise<NonNullable<TreeChange['redirects']>> {
  const parents = [...new Set(parentIds)];
  const rows = await transaction.redirect.findMany({ where: { parentId: { in: parents } } });
  return parents.map((parentId) => ({
    parentId,
    redirects: rows.filter((row) => row.parentId === parentId).map(toRedirectRecord),
  }));
}
