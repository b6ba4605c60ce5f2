/**
 * The queries of a search. None costs more than it is allowed to, however many nodes there are and however few of them
 * match: `walk` looks at so many rows in the order that is asked for; `sort` looks at the nodes that one index finds, and
 * gives up past so many. Neither lets the planner choose: whatever it believes of the words, each row is looked up by its
 * key (`OFFSET 0` keeps the lookups apart).
 */
import type { Database, Transaction } from '../../database/database.js';
import { Prisma } from '../../database/generated/client.js';
import { createdWithin, documentMatches, within } from './search-conditions.js';
import type { Position } from './search-cursor.js';
import type { Search } from './search.dto.js';
import { orderOf, type SortColumns } from './search-order.js';

/** With the words of its text, as the database cuts them. */
export type PreparedSearch = Pick<Search, 'tags' | 'metrics' | 'createdAfter' | 'createdBefore' | 'sort'> & {
  words: readonly string[];
};

export interface FoundRow extends Position {
  nodeId: string;
}

export interface Walked {
  found: FoundRow[];
  /** How many rows were looked at; fewer than were to be: there are no more. */
  examined: number;
  /** How many of these have the words and tags. */
  documents: number;
  last: Position | null;
}

export async function wordsOf(reader: Transaction, text: string): Promise<string[]> {
  const [row] = await reader.$queryRaw<{ words: string[] }[]>`SELECT search_words(${text}) AS words`;
  return row?.words ?? [];
}

/** The next `most` rows in order, and those of them that match. */
export async function walk(
  reader: Transaction,
  search: PreparedSearch,
  after: Position | null,
  most: number,
): Promise<Walked> {
  const order = orderOf(search.sort);
  const [row] = await reader.$queryRaw<Walked[]>`
    WITH slice AS MATERIALIZED (
      SELECT ${order.row} AS row, ${order.key} AS key FROM ${order.table}
      WHERE ${all(order.conditions(search), order.past(after))}
      ORDER BY ${order.key} ${order.direction}, ${order.row} ${order.direction} LIMIT ${most}
    ),
    documents AS MATERIALIZED (
      SELECT n.*, slice.row, slice.key
      FROM slice, LATERAL (${nodes(order.isRow)}) AS n ${documentOf(search)}
    ),
    found AS (SELECT n."id", n.row, n.key FROM documents AS n ${metricsOf(search)} WHERE ${matches(search)}),
    last AS (SELECT row, key FROM slice ORDER BY key ${order.opposite}, row ${order.opposite} LIMIT 1)
    SELECT
      (${collected(order)} FROM found) AS found,
      (SELECT count(*)::int FROM slice) AS examined,
      (SELECT count(*)::int FROM documents) AS documents,
      (SELECT json_build_object('row', row, 'key', key::text) FROM last) AS last`;
  return row ?? { found: [], examined: 0, documents: 0, last: null };
}

/** The first `limit` nodes of a source that match, in order; null where the source has more than `most` nodes. */
export async function sort(
  database: Database,
  search: PreparedSearch,
  after: Position | null,
  source: Prisma.Sql,
  { most, limit }: { most: number; limit: number },
): Promise<FoundRow[] | null> {
  const order = orderOf(search.sort);
  const sorting = Prisma.sql`
    WITH source AS MATERIALIZED (${source} LIMIT ${most + 1}),
    found AS (
      SELECT n."id", ${order.row} AS row, ${order.key} AS key
      FROM source, LATERAL (${nodes(Prisma.sql`n."id" = source."id"`)}) AS n
      ${order.joinNode} ${documentOf(search)} ${metricsOf(search)}
      WHERE (SELECT count(*) FROM source) <= ${most}
        AND ${all([matches(search)], order.conditions(search), order.past(after))}
      ORDER BY ${order.key} ${order.direction}, ${order.row} ${order.direction} LIMIT ${limit}
    )
    SELECT (${collected(order)} FROM found) AS found, (SELECT count(*)::int FROM source) AS size`;
  const [row] = await database.transaction(async (reader) => {
    // Where each of two words is common, the planner hopes to come by nodes with both soon, and reads all that there are.
    await reader.$executeRaw`SET LOCAL enable_seqscan = off`;
    // Compiling takes longer than what it saves here.
    await reader.$executeRaw`SET LOCAL jit = off`;
    return reader.$queryRaw<{ found: FoundRow[]; size: number }[]>(sorting);
  });
  return row && row.size <= most ? row.found : null;
}

/** The ids of nodes to sort. */
export function ofIds(ids: readonly string[]): Prisma.Sql {
  return Prisma.sql`SELECT unnest(${ids}::text[]) AS "id"`;
}

/** By what an index finds alone, and cheaply. Revisions that are no head give null. `most`: of what is asked for. */
export function* sources(search: PreparedSearch, most: number): Generator<Prisma.Sql> {
  for (const { name, ...range } of search.metrics) {
    yield Prisma.sql`
      SELECT n."id"
      FROM (
        SELECT "revisionId" FROM "RevisionMetric"
        WHERE ${all([Prisma.sql`"name" = ${name}`], within(Prisma.sql`"value"`, range))} LIMIT ${most + 1}
      ) AS m LEFT JOIN LATERAL (SELECT "id" FROM "Node" WHERE "headId" = m."revisionId" OFFSET 0) AS n ON TRUE`;
  }
  const created = createdWithin(Prisma.sql`"createdAt"`, search);
  if (created.length > 0) yield Prisma.sql`SELECT "id" FROM "Node" WHERE ${all(created)}`;
}

/** By words and tags, which costs the more the more nodes have each of them. */
export function ofDocuments(search: PreparedSearch): Prisma.Sql | null {
  const conditions = documentMatches(search);
  if (conditions.length === 0) return null;
  return Prisma.sql`SELECT d."nodeId" AS "id" FROM "SearchDocument" d WHERE ${all(conditions)}`;
}

function nodes(condition: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    SELECT n."id", n."headId", n."deletedAt", n."name", n."createdAt", n."updatedAt"
    FROM "Node" n WHERE ${condition} OFFSET 0`;
}

function documentOf(search: PreparedSearch): Prisma.Sql {
  const conditions = documentMatches(search);
  if (conditions.length === 0) return Prisma.empty;
  return Prisma.sql`, LATERAL (
    SELECT FROM (SELECT * FROM "SearchDocument" WHERE "nodeId" = n."id" OFFSET 0) AS d WHERE ${all(conditions)}
  ) AS document`;
}

function metricsOf({ metrics }: PreparedSearch): Prisma.Sql {
  const each = metrics.map(({ name, ...range }, i) => {
    const one = [Prisma.sql`m."revisionId" = n."headId"`, Prisma.sql`m."name" = ${name}`];
    return Prisma.sql`, LATERAL (
      SELECT FROM "RevisionMetric" m WHERE ${all(one, within(Prisma.sql`m."value"`, range))} OFFSET 0
    ) AS ${Prisma.raw(`m${i}`)}`;
  });
  return each.length === 0 ? Prisma.empty : Prisma.join(each, ' ');
}

function matches(search: PreparedSearch): Prisma.Sql {
  return all([Prisma.sql`n."deletedAt" IS NULL`], createdWithin(Prisma.sql`n."createdAt"`, search));
}

function collected({ direction }: SortColumns): Prisma.Sql {
  return Prisma.sql`SELECT coalesce(
    json_agg(json_build_object('nodeId', "id", 'row', row, 'key', key::text) ORDER BY key ${direction}, row ${direction}),
    '[]'
  )`;
}

function all(...conditions: Prisma.Sql[][]): Prisma.Sql {
  const flat = conditions.flat();
  return flat.length === 0 ? Prisma.sql`TRUE` : Prisma.join(flat, ' AND ');
}
