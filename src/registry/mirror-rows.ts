/**
 * The query that a boot makes hundreds of times. A page comes as two texts, a JSON of columns for the nodes and lines for
 * their revisions: an object a row, with a value for each of its fields, would be made only to be thrown away, which with
 * a million rows is the better part of a start.
 */
import type { Transaction } from '../database/database.js';
import type { NodeRecord } from '../tree/records.js';
import { RevisionPage } from '../tree/revision-page.js';

interface PageRow {
  /** JSON arrays of equal length, or nulls where there is no node. */
  nodes: string;
  /** As a `RevisionPage` reads them; null: there is none. */
  revisions: string | null;
}

const FOLLOWS = 1;
const DISABLED = 2;
const DETACHED = 4;
const ARCHIVED = 8;
const PINNED = 16;

/** As the query below writes them. */
type NodeColumns = [
  id: string[],
  modelId: string[],
  parentId: (string | null)[],
  name: string[],
  flags: number[],
  version: number[],
];

export interface NodePage {
  /** Without their heads, which the revisions know. */
  nodes: NodeRecord[];
  /** Those of the page of nodes before. */
  revisionsBefore: RevisionPage;
}

/**
 * Nodes that aren't deleted, by id, after those of the page before; and the revisions of that page: both ranges are known
 * when it is asked for, which planning depends on, and one answer can be read while the next is made.
 */
export async function nodesAfter(reader: Transaction, before: readonly NodeRecord[], limit: number): Promise<NodePage> {
  const first = before[0]?.id ?? '';
  const last = before.at(-1)?.id ?? '';
  const [page] = await reader.$queryRaw<PageRow[]>`
    SELECT
      (SELECT json_build_array(json_agg("id"), json_agg("modelId"), json_agg("parentId"), json_agg("name"),
        json_agg("flags"), json_agg("version"))::text FROM (
        SELECT "id", "modelId", "parentId", "name", "version",
          CASE WHEN "policy" = 'follow' THEN 1 ELSE 0 END + CASE WHEN "disabledAt" IS NULL THEN 0 ELSE 2 END
            + CASE WHEN "detached" THEN 4 ELSE 0 END + CASE WHEN "archivedAt" IS NULL THEN 0 ELSE 8 END
          + CASE WHEN "pinnedAt" IS NULL THEN 0 ELSE 16 END AS "flags"
        FROM "Node" WHERE "id" > ${last} AND "deletedAt" IS NULL ORDER BY "id" LIMIT ${limit}) AS "page") AS "nodes",
      (SELECT string_agg("line", E'\\n') FROM (
        SELECT concat(CASE WHEN n."headId" = r."id" THEN '1,' ELSE '0,' END, n."id", ',', r."id", ',', r."number", ',',
          r."digest", ',', r."trainedOnId", ',', r."rank", ',', r."bytes", ',', r."configBlob", ',', r."weightsBlob",
          CASE WHEN r."recalledAt" IS NULL THEN ',0,' ELSE ',1,' END, r."fallbackId") AS "line"
        FROM "Revision" r JOIN "Node" n ON n."id" = r."nodeId" AND n."deletedAt" IS NULL
        WHERE r."nodeId" BETWEEN ${first} AND ${last} AND n."id" BETWEEN ${first} AND ${last}
        ORDER BY r."nodeId", r."number") AS "lines") AS "revisions"`;
  const columns = JSON.parse(page?.nodes ?? '[]') as (unknown[] | null)[];
  const [ids, modelIds, parentIds, names, flags, versions] = columns.map((column) => column ?? []) as NodeColumns;
  const nodes = ids.map((id, i): NodeRecord => {
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
      pinned: (flag & PINNED) !== 0,
      headId: null,
      version: versions[i] ?? 1,
    };
  });
  return { nodes, revisionsBefore: new RevisionPage(page?.revisions ?? '', before) };
}
