/** What a GraphQL request may ask for at once, and what it may learn of the schema. */
import { jest } from '@jest/globals';
import { GraphqlCaller, type GraphqlError } from './support/graphql.js';
import { TestService } from './support/service.js';

jest.setTimeout(120_000);

let service: TestService;
let graphql: GraphqlCaller;

beforeAll(async () => {
  service = await TestService.start();
  graphql = new GraphqlCaller(service);
});
afterAll(() => service.remove());

const repeat = (times: number, of: (i: number) => string): string =>
  Array.from({ length: times }, (_, i) => of(i)).join(' ');

/** `parent { parent { … path } }`, as deep as that within `node`. */
const ancestors = (depth: number): string => `${'parent { '.repeat(depth)} path ${'} '.repeat(depth)}`;

const TOO_LARGE: [string, string, string][] = [
  ['depth', 'fields within fields', `{ node(node: "x") { ... on Node { ${ancestors(12)} } } }`],
  [
    'depth',
    'fields within fields of fragments',
    `{ node(node: "x") { ...a } } fragment a on Node { ${'parent { '.repeat(6)} ...b ${'} '.repeat(6)} }
     fragment b on Node { ${ancestors(6)} }`,
  ],
  ['aliases', 'one field under many names', `{ ${repeat(31, (i) => `n${i}: node(node: "x") { __typename }`)} }`],
  ['cost', 'pages of pages', '{ nodes(first: 1000) { nodes { revisions(first: 100) { nodes { number } } } } }'],
  [
    'cost',
    'page sizes in variables',
    'query ($n: Int) { nodes(first: $n) { nodes { children(first: $n) { nodes { path } } } } }',
  ],
  [
    'cost',
    'page sizes in defaults of variables',
    'query ($n: Int = 1000) { nodes(first: $n) { nodes { children(first: $n) { nodes { path } } } } }',
  ],
  ['cost', 'pages from the end', '{ nodes(first: 1000) { nodes { revisions(last: 1000) { nodes { number } } } } }'],
  [
    'cost',
    'fragments that hold each other twice',
    `{ nodes { nodes { ...f0 } } } ${repeat(
      4,
      (i) => `fragment f${i} on Node { parent { ...f${i + 1} } children(first: 40) { nodes { ...f${i + 1} } } }`,
    )} fragment f4 on Node { path }`,
  ],
  ['directives', 'directives', `{ nodes { nodes { ${repeat(31, () => 'path @include(if: true)')} } } }`],
  ['tokens', 'sheer length', `{ nodes { nodes { ${'path '.repeat(2100)} } } }`],
];

test.each(TOO_LARGE)('the limit on %s holds for %s', async (limit, _what, document) => {
  const { status, errors } = await graphql.refusal(document, { n: 1000 });
  expect(status).toBe(400);
  const limits = errors.map(({ extensions }) =>
    extensions.code === 'graphql_limit' ? extensions.details?.['limit'] : null,
  );
  expect(limits).toContain(limit);
});

test('a large page with what hangs on its nodes is within the limits', async () => {
  const page = `{ nodes(first: 100) { edges { cursor node { path version head { digest } aliases { name revision { number } }
    revisions(first: 20) { edges { node { number digest metrics { name value } trainedOn { number } } } } } } } }`;
  expect(await graphql.run(page)).toEqual({ nodes: { edges: [] } });
});

const WRONG: [string, string, RegExp][] = [
  ['graphql_syntax', '{ nodes', /Syntax Error/],
  ['graphql_invalid', '{ nodse { nodes { path } } }', /Did you mean .*"nodes"/],
  ['graphql_invalid', 'query ($n: Int!) { nodes(first: $n) { nodes { path } } }', /\$n/],
  ['graphql_invalid', 'subscription { treeChanged { action } }', /WebSocket/],
  ['graphql_invalid', 'query a { nodes { nodes { path } } } query b { nodes { nodes { path } } }', /operation/],
];

test.each(WRONG)('%s: %s', async (code, document, message) => {
  const { status, errors } = await graphql.refusal(document);
  expect(status).toBe(400);
  expect(errors[0]?.extensions).toMatchObject({ code, status: 400 });
  expect(errors[0]?.message).toMatch(message);
  expect(JSON.stringify(errors)).not.toContain('stacktrace');
});

interface Body {
  errors: GraphqlError[];
}

test('batches are refused', async () => {
  const json = [{ query: '{ __typename }' }, { query: '{ __typename }' }];
  expect((await service.call<Body>('/graphql', { json })).status).toBe(400);
});

test('what a browser would send for another site is refused', async () => {
  const asLink = await service.call<Body>('/graphql?query=%7B__typename%7D');
  expect(asLink.status).toBe(400);
  expect(asLink.body.errors[0]?.message).toMatch(/CSRF/);
  const asForm = await service.call('/graphql', {
    method: 'POST',
    body: '{"query":"{ __typename }"}',
    headers: { 'content-type': 'text/plain' },
  });
  expect(asForm.status).toBe(415);
});

test('there is no page that loads from elsewhere', async () => {
  const { status, body } = await service.call<string>('/graphql', { headers: { accept: 'text/html' } });
  expect(status).toBe(400);
  expect(JSON.stringify(body)).not.toMatch(/<script|https?:/);
});

describe('introspection', () => {
  test('tells the schema, unless it is off', async () => {
    expect(await graphql.run('{ __schema { queryType { name } } }')).toEqual({
      __schema: { queryType: { name: 'Query' } },
    });
    const closed = await TestService.start({ env: { ESPALIER_GRAPHQL_INTROSPECTION: '0' } });
    try {
      const stranger = new GraphqlCaller(closed);
      const { status, errors } = await stranger.refusal('{ __schema { queryType { name } } }');
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toEqual({ code: 'introspection_off', status: 400 });
      // Nor by the back door of suggestions.
      const { errors: typos } = await stranger.refusal('{ nodse { nodes { path } } }');
      expect(typos[0]?.message).not.toMatch(/Did you mean/);
    } finally {
      await closed.remove();
    }
  });
});
