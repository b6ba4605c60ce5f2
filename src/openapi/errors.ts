/** The answers that are errors: one shape, and by status the codes that come with it. */
import { ERROR_CODES, REQUEST_REFUSED } from '../error-codes.js';
import { errorBodySchema } from '../http/error-body.js';
import type { Components, JsonSchema } from './components.js';
import { commonHeaders, errorHeaders } from './headers.js';
import type { Route } from './route.js';

const REASONS: Record<string, string> = {
  400: 'The request is at fault; `param` names the field.',
  401: 'There is no key, or one that is not known.',
  403: 'The key may not do this.',
  404: 'There is no such thing, or none that the key may see.',
  413: 'The request is too large.',
  415: 'The body is of a type that is not read here.',
  429: 'Too many requests or tokens. `retry-after` says when to come again.',
  '4XX': 'Another reason that lies with the request.',
  '5XX': 'The service could not do it, or not now.',
};

/** Components, by the status that they are for. */
export function errorResponses(components: Components): Record<string, object> {
  const error = components.add(errorBodySchema, 'output');
  return Object.fromEntries(
    Object.entries(REASONS).map(([status, description]) => [
      componentName(status),
      {
        description,
        headers: { ...commonHeaders(status === '401'), ...errorHeaders(status) },
        content: { 'application/json': { schema: withCodes(error, codesOf(status)) } },
      },
    ]),
  );
}

/** What may go wrong on the route, by status. What isn't likely enough to be named is in the two ranges. */
export function errorsOf(route: Route): Record<string, object> {
  const takesBody = route.taken.some(({ from }) => from === 'body') || route.answers?.takes !== undefined;
  const statuses = [
    ...(route.taken.length > 0 || takesBody ? ['400'] : []),
    ...(route.scopes === null ? [] : ['401', '403', '429']),
    ...(/[:*]/.test(route.path) ? ['404'] : []),
    ...(takesBody ? ['413', '415'] : []),
    '4XX',
    '5XX',
  ];
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${componentName(status)}` }]),
  );
}

function withCodes(error: JsonSchema, codes: readonly string[]): JsonSchema {
  return { allOf: [error, { properties: { error: { properties: { code: { enum: codes } } } } }] };
}

function codesOf(status: string): string[] {
  const known = Object.entries(ERROR_CODES) as [string, readonly string[]][];
  const codes = known.flatMap(([of, codes]) => (of === status || status === `${of.slice(0, 1)}XX` ? codes : []));
  return [...new Set(status.startsWith('4') ? [...codes, REQUEST_REFUSED] : codes)].sort();
}

function componentName(status: string): string {
  return `Error${status}`;
}
