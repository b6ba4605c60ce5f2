/** A key that is bound to a subtree sees nothing else of the registry over GraphQL, by whatever way it asks. */
import { jest } from '@jest/globals';
import { GraphqlCaller } from './support/graphql.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(120_000);

let registry: TinyRegistry;
let bound: GraphqlCaller;
let ids: Record<string, string>;
let secretRevision: string;

beforeAll(async () => {
  registry = await TinyRegistry.start();
  await registry.push('tiny/secretive', { seed: 1 });
  await registry.push('tiny/shared', { seed: 2 });
  await registry.push('tiny/shared/team', { seed: 3, trainedOn: 1 });
  secretRevision = (await registry.push('tiny/secretive', { seed: 4 })).id;
  await registry.post('/nodes', { path: 'tiny/shared/team/own' }, 201);
  await registry.post('/nodes', { path: 'tiny/secretive/moved' }, 201);
  await registry.post('/nodes/tiny%2Fsecretive%2Fmoved/move', { path: 'tiny/secretive/moved-on' });
  await registry.post('/merges', { path: 'tiny/secretive' }, 201);
  await registry.post('/merges', { path: 'tiny/shared/team:0.5' }, 201);
  const { key } = await registry.post<{ key: string }>(
    '/keys',
    { name: 'team', scopes: ['admin'], subtree: 'tiny/shared/team' },
    201,
  );
  bound = new GraphqlCaller(registry.service, key);
  const { data } = await registry.get<{ data: { id: string; path: string }[] }>('/nodes?limit=100');
  ids = Object.fromEntries(data.map(({ id, path }) => [path, id]));
});
afterAll(() => registry.remove());

const LISTS = [
  '{ models { nodes { name digest } } }',
  '{ nodes(first: 100) { nodes { path } } }',
  '{ search { nodes { path } } }',
  '{ search(search: { text: "secretive" }) { nodes { path } } }',
  '{ stale { nodes { path } } }',
  '{ audit(first: 100) { nodes { path action node before after } } }',
  '{ redirects { nodes { path } } }',
  '{ merges { nodes { path digest node { path } } } }',
  '{ keys { nodes { name subtree { path } } } }',
];

test.each(LISTS)('%s shows nothing of what lies outside', async (document) => {
  expect(JSON.stringify(await bound.run(document))).not.toMatch(/secretive|"tiny"/);
});

test('what lies within is there', async () => {
  const paths = await bound.one<{ nodes: { path: string }[] }>('{ nodes { nodes { path } } }');
  expect(paths.nodes.map(({ path }) => path)).toEqual(['tiny/shared/team', 'tiny/shared/team/own']);
});

const ASKING = (node: string): string[] => [
  `{ result: node(node: "${node}") { __typename ... on Node { path } } }`,
  `{ result: lineage(node: "${node}") { __typename ... on Lineage { node } } }`,
  `{ result: compare(left: "${node}", right: "tiny/shared/team") { __typename } }`,
  `{ result: compare(left: "tiny/shared/team", right: "${node}") { __typename } }`,
];
const CHANGING = (node: string): string[] => [
  `mutation { result: updateNode(node: "${node}", input: { tags: [] }) { __typename } }`,
  `mutation { result: moveNode(node: "${node}", input: { path: "tiny/shared/team/x" }) { __typename } }`,
  `mutation { result: disableNode(node: "${node}") { __typename } }`,
  `mutation { result: pinNode(node: "${node}") { __typename } }`,
  `mutation { result: unpinNode(node: "${node}") { __typename } }`,
  `mutation { result: archiveNode(node: "${node}") { __typename } }`,
  `mutation { result: deleteNode(node: "${node}", recursive: true) { __typename } }`,
  `mutation { result: undeleteNode(id: "${node}") { __typename } }`,
  `mutation { result: promote(node: "${node}", revision: 1) { __typename } }`,
  `mutation { result: rollback(node: "${node}") { __typename } }`,
  `mutation { result: setAlias(node: "${node}", name: "a", input: { revision: 1 }) { __typename } }`,
  `mutation { result: recall(node: "${node}", input: { revision: 1, reason: "x" }) { __typename } }`,
  `mutation { result: repin(node: "${node}") { __typename } }`,
];

test('a node outside is not found, by path or id, whatever is asked of it', async () => {
  for (const node of ['tiny/secretive', ids['tiny/secretive']!]) {
    for (const document of [...ASKING(node), ...CHANGING(node)]) {
      const { result } = await bound.run<{ result: { __typename: string } }>(document);
      expect([document, result.__typename]).toEqual([document, 'NotFound']);
    }
  }
});

test('a path outside is neither merged nor unmerged', async () => {
  for (const document of [
    'mutation { result: mergePath(path: "tiny/secretive") { __typename } }',
    'mutation { result: mergePath(path: "tiny/shared") { __typename } }',
    'mutation { result: unmergePath(merge: "tiny/secretive") { __typename } }',
    '{ result: merge(merge: "tiny/secretive") { __typename } }',
  ]) {
    const { result } = await bound.run<{ result: { __typename: string } }>(document);
    expect([document, result.__typename]).toEqual([document, 'NotFound']);
  }
  expect(await bound.one('{ merges { nodes { path pinned } } }')).toEqual({
    nodes: [{ path: 'tiny/shared/team:0.5', pinned: true }],
  });
});

test('lists under a node outside are refused with the words for what is not there', async () => {
  for (const document of [
    '{ nodes(under: "tiny/secretive") { nodes { path } } }',
    '{ search(search: { under: "tiny/secretive" }) { nodes { path } } }',
    '{ stale(under: "tiny/secretive") { nodes { path } } }',
    '{ redirects(under: "tiny/secretive") { nodes { path } } }',
    '{ history(node: "tiny/secretive") { nodes { at } } }',
  ]) {
    const { errors } = await bound.refusal(document);
    expect([document, errors[0]?.extensions.code]).toEqual([document, 'path_not_found']);
    expect(JSON.stringify(errors[0]?.extensions.details)).not.toMatch(/moved/);
  }
});

test('the way up from the subtree ends at its top', async () => {
  const document = `{ node(node: "tiny/shared/team") { ... on Node {
    parent { path } head { trainedOn { id number } node { parent { path } } } } } }`;
  expect(await bound.one(document)).toEqual({
    parent: null,
    head: { trainedOn: { id: null, number: 1 }, node: { parent: null } },
  });
});

test('a revision outside is not found by its id', async () => {
  const document = '{ revision(id: "ID") { __typename ... on Revision { path } } }'.replace('ID', secretRevision);
  expect(await bound.one(document)).toEqual({ __typename: 'NotFound' });
});

test('resolution shows names and numbers alone of what lies above', async () => {
  const document = `{ resolve(path: "tiny/shared/team") { ... on Resolution { model { id name digest } steps {
    node { id path } revision { id number digest rank } } } } }`;
  const { model, steps } = await bound.one<{ model: object; steps: object[] }>(document);
  expect(model).toEqual({ id: null, name: 'tiny', digest: null });
  expect(steps[0]).toEqual({
    node: { id: null, path: 'tiny/shared' },
    revision: { id: null, number: 1, digest: null, rank: null },
  });
});
