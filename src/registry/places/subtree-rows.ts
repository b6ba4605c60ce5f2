/**
 * A node with all that is below it, in the database: rows of nodes that were deleted are in no tree, and a large subtree
 * is changed by one statement. Only with the writers' lock.
 */
import type { Transaction } from '../../database/database.js';

/** Between the name of a node that was deleted and its id: no path can hold it, so the name is free for others. */
const MARK = '~';

export function deletedName(name: string, id: string): string {
  return `${name}${MARK}${id}`;
}

/** The name before the deletion; null for nodes that went with one above them, and for those that are there. */
export function nameBefore(deleted: string): string | null {
  const at = deleted.indexOf(MARK);
  return at < 0 ? null : deleted.slice(0, at);
}

/** The nodes below one that is already marked as deleted, at the same time as it. */
export async function deleteBelow(transaction: Transaction, id: string): Promise<void> {
  await transaction.$executeRaw`
    WITH RECURSIVE subtree AS (
      SELECT id FROM "Node" WHERE "parentId" = ${id} AND "deletedAt" IS NULL
      UNION ALL
      SELECT child.id FROM "Node" child JOIN subtree ON child."parentId" = subtree.id WHERE child."deletedAt" IS NULL
    )
    UPDATE "Node" SET "deletedAt" = top."deletedAt", "updatedAt" = top."deletedAt", version = "Node".version + 1
    FROM (SELECT "deletedAt" FROM "Node" WHERE id = ${id}) top
    WHERE "Node".id IN (SELECT id FROM subtree)`;
}

export interface DeletedRow {
  id: string;
  /** Below the top, which has 0. */
  depth: number;
}

/** The node that was deleted, and those that went with it: not those that had been deleted before. */
export function deletedTogether(transaction: Transaction, id: string): Promise<DeletedRow[]> {
  return transaction.$queryRaw<DeletedRow[]>`
    WITH RECURSIVE subtree AS (
      SELECT id, 0 AS depth FROM "Node" WHERE id = ${id}
      UNION ALL
      SELECT child.id, subtree.depth + 1 FROM "Node" child JOIN subtree ON child."parentId" = subtree.id
      WHERE position(${MARK} IN child.name) = 0
    )
    SELECT id, depth FROM subtree`;
}

export interface LineageRow {
  id: string;
  parentId: string | null;
  name: string;
  deletedAt: Date | null;
}

/** The node itself, then those above it; empty where there never was one. */
export function lineageOfRow(transaction: Transaction, id: string): Promise<LineageRow[]> {
  return transaction.$queryRaw<LineageRow[]>`
    WITH RECURSIVE lineage AS (
      SELECT id, "parentId", name, "deletedAt", 0 AS height FROM "Node" WHERE id = ${id}
      UNION ALL
      SELECT above.id, above."parentId", above.name, above."deletedAt", lineage.height + 1
      FROM "Node" above JOIN lineage ON above.id = lineage."parentId"
    )
    SELECT id, "parentId", name, "deletedAt" FROM lineage ORDER BY height`;
}

/** Nodes elsewhere whose heads were trained on revisions of the subtree: they were moved out of it by force. */
export async function trainedElsewhere(transaction: Transaction, id: string): Promise<string[]> {
  const rows = await transaction.$queryRaw<{ id: string }[]>`
    WITH RECURSIVE subtree AS (
      SELECT id FROM "Node" WHERE id = ${id}
      UNION ALL
      SELECT child.id FROM "Node" child JOIN subtree ON child."parentId" = subtree.id WHERE child."deletedAt" IS NULL
    )
    SELECT node.id FROM "Revision" origin
    JOIN "Revision" head ON head."trainedOnId" = origin.id
    JOIN "Node" node ON node."headId" = head.id
    WHERE origin."nodeId" IN (SELECT id FROM subtree)
      AND node."deletedAt" IS NULL AND node.id NOT IN (SELECT id FROM subtree)
    ORDER BY node.id`;
  return rows.map((row) => row.id);
}

/** Drops the redirects that lie in the subtree or lead into it; returns under which nodes they lay. */
export async function dropRedirectsOf(transaction: Transaction, id: string): Promise<string[]> {
  const rows = await transaction.$queryRaw<{ parentId: string }[]>`
    WITH RECURSIVE subtree AS (
      SELECT id FROM "Node" WHERE id = ${id}
      UNION ALL
      SELECT child.id FROM "Node" child JOIN subtree ON child."parentId" = subtree.id WHERE child."deletedAt" IS NULL
    )
    DELETE FROM "Redirect"
    WHERE "nodeId" IN (SELECT id FROM subtree) OR "parentId" IN (SELECT id FROM subtree)
    RETURNING "parentId"`;
  return [...new Set(rows.map(({ parentId }) => parentId))];
}
