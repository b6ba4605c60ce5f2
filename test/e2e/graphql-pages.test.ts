/** What a page costs the database, whatever hangs on its nodes. The log at level trace has every statement. */
import { jest } from '@jest/globals';
import { GraphqlCaller } from './support/graphql.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(300_000);

const NODES = 100;
const MAX_QUERIES = 6;

let registry: TinyRegistry;
let graphql: GraphqlCaller;

beforeAll(async () => {
  registry = await TinyRegistry.start({ env: { ESPALIER_LOG_LEVEL: 'trace' } });
  graphql = new GraphqlCaller(registry.service);
  const one = await registry.adapter('one', { seed: 1 });
  const other = await registry.adapter('other', { seed: 2 });
  // A chain of ten, and ten children for each: pages cross parents all the time.
  const tops = Array.from({ length: 10 }, (_, i) => `tiny${Array.from({ length: i + 1 }, () => '/a').join('')}`);
  for (const path of tops.flatMap((top) => [top, ...Array.from({ length: 9 }, (_, i) => `${top}/c${i}`)])) {
    await registry.pushFolder({ path, folder: one, metrics: { loss: 1 } });
    await registry.pushFolder({ path, folder: other });
    await registry.call(`/nodes/${encodeURIComponent(path)}/aliases/candidate`, 201, {
      method: 'PUT',
      json: { revision: 2 },
    });
  }
});
afterAll(() => registry.remove());

interface Answered {
  nodes: { edges: { node: Record<string, unknown> }[] };
}

/** Statements that a request made, but for those that look after the keys. */
async function queriesOf(document: string): Promise<{ sql: string[]; answer: Answered }> {
  const before = registry.service.logs.length;
  const answer = await graphql.run<Answered>(document);
  const lines = registry.service.logs.slice(before).split('\n').slice(0, -1);
  const logged = lines.map((line) => JSON.parse(line) as { msg?: string; sql?: string });
  const sql = logged.filter(({ msg }) => msg === 'query').map((entry) => entry.sql ?? '');
  return { sql: sql.filter((text) => !text.includes('"ApiKey"')), answer };
}

const page = (first: number): string => `{
  nodes(first: ${first}, under: "tiny/a") { edges { cursor node {
    path version tags head { number digest }
    aliases { name protected version revision { number } }
    revisions(first: 10) { edges { node { number digest metrics { name value } trainedOn { number } isHead } } }
    parent { path } children(first: 3) { nodes { path } }
  } } } }`;

test(`a page of ${NODES} nodes with revisions and aliases takes at most ${MAX_QUERIES} statements, as many as one of 10`, async () => {
  const ten = await queriesOf(page(10));
  const hundred = await queriesOf(page(NODES));
  expect(hundred.answer.nodes.edges).toHaveLength(NODES);
  expect(hundred.answer.nodes.edges[50]?.node).toMatchObject({
    aliases: [{ name: 'candidate', revision: { number: 2 } }],
    revisions: { edges: [{ node: { number: 1, metrics: [{ name: 'loss', value: 1 }] } }, { node: { number: 2 } }] },
  });
  expect(hundred.sql.length).toBeGreaterThan(0);
  expect(hundred.sql.length).toBeLessThanOrEqual(MAX_QUERIES);
  expect(hundred.sql).toHaveLength(ten.sql.length);
});

test('a field that is asked for twice is read once', async () => {
  const { sql } = await queriesOf(
    '{ a: node(node: "tiny/a") { ... on Node { children { nodes { parent { path } } } } } }',
  );
  expect(sql.length).toBeLessThanOrEqual(3);
});
