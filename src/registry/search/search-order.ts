/** The columns by which a search is sorted, and the index that has them in order. */
import { Prisma } from '../../database/generated/client.js';
import { createdWithin, within } from './search-conditions.js';
import type { Position } from './search-cursor.js';
import type { Search, SearchOrder } from './search.dto.js';

export interface SortColumns {
  table: Prisma.Sql;
  key: Prisma.Sql;
  /** Tells rows with the same key apart. */
  row: Prisma.Sql;
  direction: Prisma.Sql;
  opposite: Prisma.Sql;
  /** Whether a node `n` is that of a row of `slice`. */
  isRow: Prisma.Sql;
  /** From a node `n` to what it is sorted by. */
  joinNode: Prisma.Sql;
  /** Of what is searched for, what the index knows. */
  conditions(search: Pick<Search, 'metrics' | 'createdAfter' | 'createdBefore'>): Prisma.Sql[];
  past(position: Position | null): Prisma.Sql[];
}

const TYPES = { name: 'text', createdAt: 'timestamp', updatedAt: 'timestamp', metric: 'float8' };

export function orderOf(sort: SearchOrder): SortColumns {
  const columns = sort.by === 'metric' ? ofMetric(sort.metric) : ofNode(sort.by);
  const { key, row } = columns;
  const [direction, opposite, beyond] = sort.descending ? ['DESC', 'ASC', '<'] : ['ASC', 'DESC', '>'];
  return {
    ...columns,
    direction: Prisma.raw(direction),
    opposite: Prisma.raw(opposite),
    past: (position) => {
      if (position === null) return [];
      const type = Prisma.raw(TYPES[sort.by]);
      return [Prisma.sql`(${key}, ${row}) ${Prisma.raw(beyond)} (${position.key}::${type}, ${position.row})`];
    },
  };
}

type Columns = Omit<SortColumns, 'direction' | 'opposite' | 'past'>;

function ofNode(by: 'name' | 'createdAt' | 'updatedAt'): Columns {
  const key = Prisma.raw(`n."${by}"`);
  return {
    table: Prisma.sql`"Node" n`,
    key,
    row: Prisma.sql`n."id"`,
    isRow: Prisma.sql`n."id" = slice.row`,
    joinNode: Prisma.empty,
    conditions: (search) => (by === 'createdAt' ? createdWithin(key, search) : []),
  };
}

function ofMetric(metric: string): Columns {
  const key = Prisma.sql`s."value"`;
  return {
    table: Prisma.sql`"RevisionMetric" s`,
    key,
    row: Prisma.sql`s."revisionId"`,
    isRow: Prisma.sql`n."headId" = slice.row`,
    joinNode: Prisma.sql`, LATERAL (
      SELECT "revisionId", "name", "value" FROM "RevisionMetric"
      WHERE "revisionId" = n."headId" AND "name" = ${metric} OFFSET 0
    ) AS s`,
    conditions: ({ metrics }) => [
      Prisma.sql`s."name" = ${metric}`,
      ...metrics.flatMap(({ name, ...range }) => (name === metric ? within(key, range) : [])),
    ],
  };
}
