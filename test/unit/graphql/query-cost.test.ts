import { buildSchema, Kind, parse, type OperationDefinitionNode } from 'graphql';
import { queryCost } from '../../../src/graphql/limits/query-cost.js';

const schema = buildSchema(`
  type Query { one: Thing all(first: Int, last: Int): ThingConnection some: [Thing!]! }
  type ThingConnection { edges: [ThingEdge!]! nodes: [Thing!]! pageInfo: Info! }
  type ThingEdge { node: Thing! cursor: String! }
  type Info { more: Boolean! }
  type Thing { name: String one: Thing some: [Thing!]! all(first: Int): ThingConnection }
`);

function cost(text: string, variables: Record<string, unknown> = {}): number {
  const document = parse(text);
  const operation = document.definitions.find(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  if (!operation) throw new Error('no operation');
  return queryCost({ schema, document, operation, variables });
}

test.each([
  ['{ __typename }', 0],
  ['{ one { name } }', 1],
  ['{ one { one { name } } }', 2],
  ['{ some { name } }', 1],
  ['{ some { one { name } } }', 1 + 10],
  ['{ all { nodes { name } } }', 20],
  ['{ all(first: 7) { nodes { name } } }', 7],
  ['{ all(last: 7) { nodes { name } } }', 7],
  ['{ all(first: 7) { pageInfo { more } } }', 7],
  ['{ all(first: 7) { edges { node { name } } pageInfo { more } } }', 7],
  ['{ all(first: 7) { nodes { all(first: 3) { nodes { name } } } } }', 7 * (1 + 3)],
  ['{ all(first: 7) { nodes { ...a } } } fragment a on Thing { one { name } }', 7 * 2],
  ['{ all(first: 7) { ... on ThingConnection { nodes { name } } } }', 7],
  ['{ one { ...a } again: one { ...a } } fragment a on Thing { one { name } }', 4],
])('%s costs %i', (text, expected) => {
  expect(cost(text)).toBe(expected);
});

test('a page size in a variable counts', () => {
  expect(cost('query ($n: Int) { all(first: $n) { nodes { name } } }', { n: 500 })).toBe(500);
});

test('fragments that double each other are counted without being walked again', () => {
  const doubling = Array.from(
    { length: 60 },
    (_, i) => `fragment f${i} on Thing { one { ...f${i + 1} } some { ...f${i + 1} } }`,
  );
  const began = performance.now();
  expect(cost(`{ one { ...f0 } } ${doubling.join(' ')} fragment f60 on Thing { name }`)).toBeGreaterThan(2 ** 60);
  expect(performance.now() - began).toBeLessThan(1_000);
});
