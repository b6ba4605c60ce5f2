/** Where a page of a search ended: at a value of what it is sorted by, and at a row that has this value. */
import { z } from 'zod';
import { InvalidRequestError } from '../../errors/requests.js';
import { toCursor } from '../dto/page.js';
import type { SearchOrder } from './search.dto.js';

export interface Position {
  /** As the database writes it. */
  key: string;
  /** Id of the node; of its head, where a metric is sorted by. */
  row: string;
}

const KEYS = {
  name: /^[^\0]{1,300}$/,
  createdAt: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/,
  updatedAt: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/,
  metric: /^-?\d+(\.\d+)?(e[+-]?\d+)?$/,
};

const form = z.tuple([z.string(), z.string(), z.string().regex(/^[\w-]{1,64}$/)]);

export function cursorOf(sort: SearchOrder, { key, row }: Position): string {
  return toCursor(JSON.stringify([sortName(sort), key, row]));
}

export function positionOf(sort: SearchOrder, cursor: string | undefined): Position | null {
  if (cursor === undefined) return null;
  const parsed = form.safeParse(fromJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (!parsed.success || !KEYS[sort.by].test(parsed.data[1])) {
    throw new InvalidRequestError('Take the cursor from "nextCursor" of the page before.', 'cursor');
  }
  const [name, key, row] = parsed.data;
  if (name !== sortName(sort)) {
    throw new InvalidRequestError(`The cursor is one of a search sorted by ${name}.`, 'cursor');
  }
  return { key, row };
}

function sortName(sort: SearchOrder): string {
  return `${sort.by === 'metric' ? `metric:${sort.metric}` : sort.by} ${sort.descending ? 'desc' : 'asc'}`;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
