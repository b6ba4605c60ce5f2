/** Lists are pages: `{ data, nextCursor }`; the cursor is opaque to callers and stands for the last entry given out. */
import { z } from 'zod';
import { InvalidRequestError } from '../../errors/requests.js';

export const MAX_PAGE_SIZE = 1000;

export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(100),
  cursor: z.string().min(1).max(4096).optional(),
});
export type PageQuery = z.infer<typeof pageQuery>;

export interface Page<T> {
  data: T[];
  /** Null on the last page. */
  nextCursor: string | null;
}

export function pageSchema<T>(entry: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.object({ data: z.array(entry), nextCursor: z.string().nullable() });
}

/** Makes a page of up to `limit` entries out of `rows`, which holds one more where there is more to come. */
export function toPage<Row, T>(
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => string,
  map: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const keys = shown.map((row) => toCursor(key(row)));
  return pageOf(shown.map(map), keys, rows.length > limit ? (keys.at(-1) ?? null) : null);
}

/** `keys`: the cursor of each entry. */
export function pageOf<T>(data: T[], keys: readonly string[], nextCursor: string | null): Page<T> {
  const page = { data, nextCursor };
  cursors.set(page, keys);
  return page;
}

const cursors = new WeakMap<Page<unknown>, readonly string[]>();

/** The cursor of every entry, for surfaces that give them out. The page is as `toPage` or `pageOf` made it. */
export function cursorsOf(page: Page<unknown>): readonly string[] {
  const known = cursors.get(page);
  if (!known) throw new TypeError('This page was made by neither toPage nor pageOf.');
  return known;
}

export function toCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/** The key behind a cursor; null at the start. `form`: what a key of the list looks like. */
export function cursorKey(cursor: string | undefined, form: RegExp): string | null {
  if (cursor === undefined) return null;
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!form.test(key)) throw new InvalidRequestError('Take the cursor from "nextCursor" of the page before.', 'cursor');
  return key;
}
