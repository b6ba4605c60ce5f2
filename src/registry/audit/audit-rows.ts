/** Which entries of the audit log a caller asks for and may see. Reads alone. */
import { Prisma } from '../../database/generated/client.js';
import type { Transaction } from '../../database/database.js';
import { auditColumns, type AuditRow } from './audit.dto.js';

export interface AuditSelection {
  nodeId: string | null;
  /** Whole, or with a dot at its end the beginning of it. */
  action: string | null;
  /** Id or name. */
  key: string | null;
  from: Date | null;
  to: Date | null;
  requestId: string | null;
  /** The node at and below which the caller sees; null: everything, also what concerns no node. */
  subtree: string | null;
  /** Of keys and of garbage collection, admins alone hear. */
  isAdmin: boolean;
}

export interface AuditPage {
  order: 'oldest' | 'newest';
  /** The entry before the first. */
  after: bigint | null;
  limit: number;
}

export async function auditRows(
  reader: Transaction,
  selection: AuditSelection,
  { order, after, limit }: AuditPage,
): Promise<AuditRow[]> {
  const conditions = conditionsOf(selection);
  if (after !== null)
    conditions.push(order === 'oldest' ? Prisma.sql`sequence > ${after}` : Prisma.sql`sequence < ${after}`);
  const direction = order === 'oldest' ? Prisma.sql`ASC` : Prisma.sql`DESC`;
  const found = await reader.$queryRaw<{ sequence: bigint }[]>`
    SELECT sequence FROM "AuditEntry" WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY sequence ${direction} LIMIT ${limit}`;
  return reader.auditEntry.findMany({
    where: { sequence: { in: found.map(({ sequence }) => sequence) } },
    orderBy: { sequence: order === 'oldest' ? 'asc' : 'desc' },
    select: auditColumns,
  });
}

/** Zero where there is none. */
export async function newestSequence(reader: Transaction): Promise<bigint> {
  const { _max } = await reader.auditEntry.aggregate({ _max: { sequence: true } });
  return _max.sequence ?? 0n;
}

function conditionsOf({ nodeId, action, key, from, to, requestId, subtree, isAdmin }: AuditSelection): Prisma.Sql[] {
  const conditions = [Prisma.sql`TRUE`];
  if (nodeId !== null) conditions.push(Prisma.sql`"nodeId" = ${nodeId}`);
  if (action?.endsWith('.')) conditions.push(Prisma.sql`starts_with(action, ${action})`);
  else if (action !== null) conditions.push(Prisma.sql`action = ${action}`);
  if (key !== null) conditions.push(Prisma.sql`("keyId" = ${key} OR "keyName" = ${key})`);
  if (from !== null) conditions.push(Prisma.sql`at >= ${from.toISOString()}::timestamp`);
  if (to !== null) conditions.push(Prisma.sql`at < ${to.toISOString()}::timestamp`);
  if (requestId !== null) conditions.push(Prisma.sql`"requestId" = ${requestId}`);
  if (!isAdmin) conditions.push(Prisma.sql`NOT (starts_with(action, 'key.') OR starts_with(action, 'gc.'))`);
  if (subtree !== null) conditions.push(within(subtree));
  return conditions;
}

/** Deleted nodes are still there as rows, under the parent that they had. */
function within(subtree: string): Prisma.Sql {
  return Prisma.sql`"nodeId" IN (
    WITH RECURSIVE subtree AS (
      SELECT id FROM "Node" WHERE id = ${subtree}
      UNION ALL
      SELECT child.id FROM "Node" child JOIN subtree ON child."parentId" = subtree.id
    )
    SELECT id FROM subtree)`;
}
