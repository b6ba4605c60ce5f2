/** What is asked for, as conditions in SQL. */
import { Prisma } from '../../database/generated/client.js';
import type { MetricRange, Search } from './search.dto.js';

/** Of a document `d`. */
export function documentMatches({ words, tags }: { words: readonly string[]; tags: readonly string[] }): Prisma.Sql[] {
  const each = words.map((word) => {
    // Words hold neither quotes nor backslashes.
    const query = `'${word}':*`;
    return Prisma.sql`(d."words" @@ ${query}::tsquery OR d."revisionWords" @@ ${query}::tsquery)`;
  });
  return tags.length === 0 ? each : [...each, Prisma.sql`d."tags" @> ${tags}::text[]`];
}

export function createdWithin(
  column: Prisma.Sql,
  { createdAfter, createdBefore }: Pick<Search, 'createdAfter' | 'createdBefore'>,
): Prisma.Sql[] {
  return [
    ...(createdAfter ? [Prisma.sql`${column} >= ${createdAfter.toISOString()}::timestamp`] : []),
    ...(createdBefore ? [Prisma.sql`${column} < ${createdBefore.toISOString()}::timestamp`] : []),
  ];
}

export function within(column: Prisma.Sql, { min, max }: Omit<MetricRange, 'name'>): Prisma.Sql[] {
  return [
    ...(min === null ? [] : [Prisma.sql`${column} >= ${min}::float8`]),
    ...(max === null ? [] : [Prisma.sql`${column} <= ${max}::float8`]),
  ];
}
