/** Lists as Relay knows them: edges with a cursor each, and where the page lies. */
import { z } from 'zod';
import { invalidRequest } from '../http/validation.js';
import { cursorsOf, MAX_PAGE_SIZE, type Page, type PageQuery } from '../registry/dto/page.js';

export const DEFAULT_PAGE_SIZE = 20;

export interface Edge<T> {
  node: T;
  cursor: string;
}

export interface Connection<T> {
  edges: Edge<T>[];
  nodes: T[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

/** Arguments of a connection that goes forward, as GraphQL hands them over. */
export interface Forward {
  first?: number | null;
  after?: string | null;
}

const forwardSchema = z.object({
  first: z.number().int().min(1).max(MAX_PAGE_SIZE).nullish(),
  after: z.string().min(1).max(4096).nullish(),
});

export function pageOf(given: Forward): PageQuery {
  const { first, after } = parse(forwardSchema, { first: given.first, after: given.after });
  return { limit: first ?? DEFAULT_PAGE_SIZE, cursor: after ?? undefined };
}

/** The output of a schema that REST has too; throws `invalid_request` as that does. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidRequest(parsed.error.issues);
  return parsed.data;
}

/** For filters, where null says no more than leaving a field out does: many clients send it for what isn't set. */
export function withoutNulls(input: object): object {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

/** A page of a list that goes forward, as its service gave it. */
export function toConnection<T>(page: Page<T>, { cursor }: PageQuery): Connection<T> {
  const cursors = cursorsOf(page);
  return framed(
    page.data.map((node, i) => ({ node, cursor: cursors[i] ?? '' })),
    { hasNextPage: page.nextCursor !== null, hasPreviousPage: cursor !== undefined },
  );
}

export function framed<T>(
  edges: Edge<T>[],
  { hasNextPage, hasPreviousPage }: { hasNextPage: boolean; hasPreviousPage: boolean },
): Connection<T> {
  return {
    edges,
    nodes: edges.map(({ node }) => node),
    pageInfo: {
      hasNextPage,
      hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
