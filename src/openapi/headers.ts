/** Response headers, by name, as the document describes them. */
import type { AnswerHeader } from '../http/answers.js';

interface Header {
  description: string;
  schema: { type: 'string' | 'integer'; pattern?: string };
  required?: boolean;
}

const text = (description: string): Header => ({ description, schema: { type: 'string' } });
const count = (description: string): Header => ({ description, schema: { type: 'integer' } });

/** On every answer. */
const COMMON = {
  'x-request-id': {
    ...text('The id under which the log has the request; your own where you sent one.'),
    required: true,
  },
} as const;

/** On answers to a key that has limits; the first two on completions of every key, where they say what the engine takes. */
const LIMITS = {
  'x-ratelimit-limit-requests': count('Requests that the key may send in a minute.'),
  'x-ratelimit-remaining-requests': count('Requests that are left of them.'),
  'x-ratelimit-reset-requests': text('When all of them are there again: `59.731s`.'),
  'x-ratelimit-limit-tokens': count('Tokens, of prompts and generated, that the key may use in a minute.'),
  'x-ratelimit-remaining-tokens': count('Tokens that are left of them.'),
  'x-ratelimit-reset-tokens': text('When all of them are there again.'),
} as const;

const VERSIONED = {
  etag: {
    ...text('Version of what was answered. Send it as If-Match to change just that version.'),
    required: true,
  },
} as const;

const DECLARED: Record<AnswerHeader, Header> = {
  location: text('Where what was made can be read.'),
  'x-espalier-path': text('Where the paths lie now, separated by commas; given if a node has moved from its path.'),
  'x-espalier-path-digest': text('Digests of the paths that the answer was made with, separated by commas.'),
  'content-disposition': text('The name of the file.'),
};

const OF_ERRORS = {
  'retry-after': count('After how many seconds to try again.'),
  'www-authenticate': text('How to authenticate: `Bearer`.'),
} as const;

type Named = Record<string, { $ref: string }>;

export const HEADERS: Record<string, Header> = { ...COMMON, ...LIMITS, ...VERSIONED, ...DECLARED, ...OF_ERRORS };

export function commonHeaders(isPublic: boolean): Named {
  return named([...Object.keys(COMMON), ...(isPublic ? [] : Object.keys(LIMITS))]);
}

/** Of answers with a `version`. */
export function versionHeaders(): Named {
  return named(Object.keys(VERSIONED));
}

export function declaredHeaders(names: readonly AnswerHeader[]): Named {
  return named(names);
}

export function errorHeaders(status: string): Named {
  if (status === '401') return named(['www-authenticate']);
  return named(status === '429' || status.startsWith('5') ? ['retry-after'] : []);
}

function named(names: readonly string[]): Named {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
