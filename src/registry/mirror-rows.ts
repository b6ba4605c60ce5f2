/**
 * The two queries that a boot makes thousands of times, in SQL: the client's own queries take four times as long a row,
 * which with a million nodes is the better part of a start. Columns are those of `NodeRow` and `RevisionRow`.
 */
import type { Transaction } from '../database/database.js';
import type { NodeRow, RevisionRow } from './records-of-rows.js';

/** Nodes that aren't deleted, by id, after one. */
export function nodesAfter(reader: Transaction, id: string, limit: number): Promise<NodeRow[]> {
  return reader.$queryRaw<NodeRow[]>`
    SELECT "id", "modelId", "parentId", "name", "policy", "disabledAt", "detached", "archivedAt", "headId", "version"
    FROM "Node" WHERE "id" > ${id} AND "deletedAt" IS NULL ORDER BY "id" LIMIT ${limit}`;
}

/** Their revisions, by id, after one. */
export function revisionsAfter(reader: Transaction, id: string, limit: number): Promise<RevisionRow[]> {
  return reader.$queryRaw<RevisionRow[]>`
    SELECT r."id", r."nodeId", r."number", r."digest", r."trainedOnId", r."rank", r."bytes", r."configBlob",
      r."weightsBlob", r."recalledAt", r."fallbackId"
    FROM "Revision" r JOIN "Node" n ON n."id" = r."nodeId" AND n."deletedAt" IS NULL
    WHERE r."id" > ${id} ORDER BY r."id" LIMIT ${limit}`;
}
