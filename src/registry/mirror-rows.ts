/**
 * The two queries that a boot makes hundreds of times. A page comes as one JSON text of columns: an object a row, with a
 * value for each of its fields, would be made only to be thrown away, which with a million rows is the better part of a
 * start.
 */
import type { Transaction } from '../database/database.js';
import type { NodeRecord, RevisionRecord } from '../tree/records.js';

interface Columns {
  /** JSON arrays of equal length, or nulls where there is no row. */
  columns: string;
}

const FOLLOWS = 1;
const DISABLED = 2;
const DETACHED = 4;
const ARCHIVED = 8;

/** As the query below writes them. */
type NodeColumns = [
  id: string[],
  modelId: string[],
  parentId: (string | null)[],
  name: string[],
  flags: number[],
  headId: (string | null)[],
  version: number[],
];

/** Nodes that aren't deleted, by id, after the last one of the page before. */
export async function nodesAfter(reader: Transaction, last: NodeRecord | null, limit: number): Promise<NodeRecord[]> {
  const [page] = await reader.$queryRaw<Columns[]>`
    SELECT json_build_array(json_agg("id"), json_agg("modelId"), json_agg("parentId"),
      json_agg("name"), json_agg("flags"), json_agg("headId"), json_agg("version"))::text AS "columns"
    FROM (
      SELECT "id", "modelId", "parentId", "name", "headId", "version",
        CASE WHEN "policy" = 'follow' THEN 1 ELSE 0 END + CASE WHEN "disabledAt" IS NULL THEN 0 ELSE 2 END
          + CASE WHEN "detached" THEN 4 ELSE 0 END + CASE WHEN "archivedAt" IS NULL THEN 0 ELSE 8 END AS "flags"
      FROM "Node" WHERE "id" > ${last?.id ?? ''} AND "deletedAt" IS NULL ORDER BY "id" LIMIT ${limit}
    ) AS "page"`;
  const [ids, modelIds, parentIds, names, flags, headIds, versions] = parse(page) as NodeColumns;
  return ids.map((id, i): NodeRecord => {
    const flag = flags[i] ?? 0;
    return {
      id,
      modelId: modelIds[i] ?? '',
      parentId: parentIds[i] ?? null,
      name: names[i] ?? '',
      policy: flag & FOLLOWS ? 'follow' : 'pinned',
      disabled: (flag & DISABLED) !== 0,
      detached: (flag & DETACHED) !== 0,
      archived: (flag & ARCHIVED) !== 0,
      headId: headIds[i] ?? null,
      version: versions[i] ?? 1,
    };
  });
}

type RevisionColumns = [
  id: string[],
  nodeId: string[],
  number: number[],
  digest: string[],
  trainedOnId: (string | null)[],
  rank: number[],
  bytes: number[],
  configBlob: string[],
  weightsBlob: string[],
  recalled: boolean[],
  fallbackId: (string | null)[],
];

/** Their revisions, by node and number, after the last one of the page before. */
export async function revisionsAfter(
  reader: Transaction,
  last: RevisionRecord | null,
  limit: number,
): Promise<RevisionRecord[]> {
  const [page] = await reader.$queryRaw<Columns[]>`
    SELECT json_build_array(json_agg("id"), json_agg("nodeId"), json_agg("number"),
      json_agg("digest"), json_agg("trainedOnId"), json_agg("rank"), json_agg("bytes"), json_agg("configBlob"),
      json_agg("weightsBlob"), json_agg("recalledAt" IS NOT NULL), json_agg("fallbackId"))::text AS "columns"
    FROM (
      SELECT r."id", r."nodeId", r."number", r."digest", r."trainedOnId", r."rank", r."bytes", r."configBlob",
        r."weightsBlob", r."recalledAt", r."fallbackId"
      FROM "Revision" r JOIN "Node" n ON n."id" = r."nodeId" AND n."deletedAt" IS NULL
      WHERE (r."nodeId", r."number") > (${last?.nodeId ?? ''}, ${last?.number ?? 0}) AND n."id" >= ${last?.nodeId ?? ''}
      ORDER BY r."nodeId", r."number" LIMIT ${limit}
    ) AS "page"`;
  const [ids, nodeIds, numbers, digests, trainedOnIds, ranks, bytes, configBlobs, weightsBlobs, recalled, fallbackIds] =
    parse(page) as RevisionColumns;
  return ids.map((id, i): RevisionRecord => ({
    id,
    nodeId: nodeIds[i] ?? '',
    number: numbers[i] ?? 0,
    digest: digests[i] ?? '',
    trainedOnId: trainedOnIds[i] ?? null,
    rank: ranks[i] ?? 0,
    bytes: bytes[i] ?? 0,
    configBlob: configBlobs[i] ?? '',
    weightsBlob: weightsBlobs[i] ?? '',
    recalled: recalled[i] ?? false,
    fallbackId: fallbackIds[i] ?? null,
  }));
}

/** Aggregates over no row are null. */
function parse(page: Columns | undefined): unknown[][] {
  return (JSON.parse(page?.columns ?? '[]') as (unknown[] | null)[]).map((column) => column ?? []);
}
