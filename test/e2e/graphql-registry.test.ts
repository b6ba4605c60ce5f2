/** The rest of what the registry does, over GraphQL: each operation once, against what it does over REST. */
import { jest } from '@jest/globals';
import { GraphqlCaller } from './support/graphql.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(120_000);

let registry: TinyRegistry;
let graphql: GraphqlCaller;

beforeAll(async () => {
  registry = await TinyRegistry.start();
  graphql = new GraphqlCaller(registry.service);
  for (const seed of [1, 2, 3]) await registry.push('tiny/parent', { seed });
  await registry.push('tiny/parent/child', { seed: 4, trainedOn: 1 });
});
afterAll(() => registry.remove());

const FAILURE = '... on Failure { __typename code message param }';

test('aliases are set, moved under a version, and deleted', async () => {
  const set = `mutation ($input: SetAliasInput!, $version: Int) {
    setAlias(node: "tiny/parent", name: "candidate", input: $input, expectedVersion: $version) {
      ... on SetAliasPayload { outcome before alias { name version protected revision { number } node { path } } }
      ... on VersionConflict { version current { ... on Alias { version revision { number } } } } ${FAILURE} } }`;
  expect(await graphql.one(set, { input: { revision: 1 } })).toMatchObject({
    outcome: 'created',
    before: null,
    alias: { name: 'candidate', version: 1, protected: false, revision: { number: 1 }, node: { path: 'tiny/parent' } },
  });
  expect(await graphql.one(set, { input: { revision: 2 }, version: 1 })).toMatchObject({
    outcome: 'changed',
    before: 1,
  });
  expect(await graphql.one(set, { input: { revision: 3 }, version: 1 })).toMatchObject({
    __typename: 'VersionConflict',
    version: 2,
    current: { version: 2, revision: { number: 2 } },
  });
  expect(await graphql.one(set, { input: { revision: 9 } })).toMatchObject({ __typename: 'NotFound' });
  const remove = `mutation { deleteAlias(node: "tiny/parent", name: "candidate") {
    ... on DeleteAliasPayload { alias { name revision { number } } } ${FAILURE} } }`;
  expect(await graphql.one(remove)).toEqual({ alias: { name: 'candidate', revision: { number: 2 } } });
  expect(await graphql.one(remove)).toMatchObject({ __typename: 'NotFound', code: 'alias_not_found' });
});

test('a parent that moves on is seen in what is stale, and repinned', async () => {
  await registry.post('/nodes/tiny%2Fparent/promote', { revision: 2 });
  const stale = '{ stale { nodes { path trainedOn parentHead chain { path } below { nodes more } node { stale } } } }';
  expect(await graphql.one(stale)).toEqual({
    nodes: [
      {
        path: 'tiny/parent/child',
        trainedOn: 1,
        parentHead: 2,
        chain: [{ path: 'tiny/parent/child' }],
        below: { nodes: 0, more: false },
        node: { stale: true },
      },
    ],
  });
  const repin = `mutation { repin(node: "tiny/parent/child", input: { message: "checked" }) {
    ... on RepinPayload { outcome repinOf promoted revision { number message trainedOn { number } } } ${FAILURE} } }`;
  expect(await graphql.one(repin)).toEqual({
    outcome: 'created',
    repinOf: 1,
    promoted: true,
    revision: { number: 2, message: 'checked', trainedOn: { number: 2 } },
  });
  expect(await graphql.one(stale)).toEqual({ nodes: [] });
});

test('a revision is recalled with a stand-in, or none, and put back', async () => {
  const fields = `... on Recall { fallback head { before after } recalled { reason } affected { total children { path servedOn } }
    revision { number recalled { reason fallback } } node { head { number } } } ${FAILURE}`;
  const recall = `mutation ($input: RecallInput!) { recall(node: "tiny/parent", input: $input) { ${fields} } }`;
  expect(await graphql.one(recall, { input: { revision: 2, reason: 'It swears', fallback: 3 } })).toMatchObject({
    fallback: 3,
    head: { before: 2, after: 3 },
    affected: { total: 1, children: [{ path: 'tiny/parent/child', servedOn: 3 }] },
    revision: { number: 2, recalled: { reason: 'It swears', fallback: 3 } },
    node: { head: { number: 3 } },
  });
  const unrecall = `mutation { unrecall(node: "tiny/parent", revision: 2) { ${fields} } }`;
  expect(await graphql.one(unrecall)).toMatchObject({ recalled: null, revision: { recalled: null } });
  expect(await graphql.one(recall, { input: { revision: 2, reason: 'Again', fallback: null } })).toMatchObject({
    fallback: null,
  });
  await graphql.one(unrecall);
  const history =
    '{ history(node: "tiny/parent", first: 2) { nodes { reason before revision { number } by { keyName } } } }';
  expect(await graphql.one(history)).toMatchObject({
    nodes: [{ reason: 'recall', before: 2, revision: { number: 3 } }, {}],
  });
});

test('revisions are tagged, shown and compared', async () => {
  const folder = await registry.adapter('measured', { seed: 31 });
  const push = `mutation ($input: PushFromFolderInput!) { pushFromFolder(input: $input) {
    ... on PushPayload { revision { id author card hasCard tags metrics { name value } } } ${FAILURE} } }`;
  const metrics = [{ name: 'eval_loss', value: 0.25 }];
  const input = { path: 'tiny/measured', folder, author: 'Ada', card: '# Card', tags: ['nightly'], metrics };
  const { revision } = await graphql.one<{ revision: { id: string } }>(push, { input });
  expect(revision).toMatchObject({ author: 'Ada', card: '# Card', hasCard: true, tags: ['nightly'], metrics });
  const tag = `mutation ($id: ID!, $version: Int) { setRevisionTags(id: $id, tags: ["b", "a"], expectedVersion: $version) {
    ... on RevisionPayload { revision { tags version } }
    ... on VersionConflict { current { ... on Revision { tags } } } ${FAILURE} } }`;
  expect(await graphql.one(tag, { id: revision.id, version: 7 })).toMatchObject({ current: { tags: ['nightly'] } });
  expect(await graphql.one(tag, { id: revision.id, version: 1 })).toEqual({
    revision: { tags: ['a', 'b'], version: 2 },
  });
  const show = '{ revision(id: "ID") { ... on Revision { path tags card } } }'.replace('ID', revision.id);
  expect(await graphql.one(show)).toEqual({ path: 'tiny/measured', tags: ['a', 'b'], card: '# Card' });
  const compare = `{ compare(left: "tiny/measured", right: "tiny/parent@1") { ... on Comparison {
    left { node { path } revision { number author } } right { lineage { path number } }
    modules { module left { rank } cosine } total { leftNorm } metrics { name left right } } ${FAILURE} } }`;
  expect(await graphql.one(compare)).toMatchObject({
    left: { node: { path: 'tiny/measured' }, revision: { number: 1, author: 'Ada' } },
    right: { lineage: [{ path: 'tiny/parent', number: 1 }] },
    metrics: [{ name: 'eval_loss', left: 0.25, right: null }],
  });
});

test('nodes are found by text, tag and metric, in any order', async () => {
  const search = `query ($search: NodeSearch) { search(search: $search) {
    edges { node { path } metrics { name value } } pageInfo { hasNextPage } } }`;
  const found = async (asked: object): Promise<string[]> => {
    const { edges } = await graphql.one<{ edges: { node: { path: string } }[] }>(search, { search: asked });
    return edges.map(({ node }) => node.path);
  };
  expect(await found({ tags: ['a'] })).toEqual(['tiny/measured']);
  expect(await found({ text: 'meas' })).toEqual(['tiny/measured']);
  expect(await found({ metrics: [{ name: 'eval_loss', max: 0.3 }] })).toEqual(['tiny/measured']);
  expect(await found({ metrics: [{ name: 'eval_loss', min: 0.3 }] })).toEqual([]);
  expect(await found({ under: 'tiny/parent', sort: { by: 'name', descending: true } })).toEqual([
    'tiny/parent',
    'tiny/parent/child',
  ]);
  expect(await found({ sort: { by: 'metric', metric: 'eval_loss' }, stale: false })).toEqual(['tiny/measured']);
  const { errors } = await graphql.refusal(search, { search: { tags: ['no spaces'] } });
  expect(errors[0]?.extensions).toMatchObject({ code: 'invalid_request', param: 'tag[0]' });
});

test('a subtree is exported with its lineage', async () => {
  const lineage = `{ lineage(node: "tiny/parent") { ... on Lineage {
    node nodes { path head revisions { number } } edges { trainedOn parentHead stale } } ${FAILURE} } }`;
  expect(await graphql.one(lineage)).toMatchObject({
    node: 'tiny/parent',
    nodes: [
      { path: 'tiny/parent', head: 3 },
      { path: 'tiny/parent/child', head: 2 },
    ],
    edges: [{ trainedOn: 2, parentHead: 3, stale: true }],
  });
});

test('nodes are put away, deleted and brought back, and leave redirects that can be dropped', async () => {
  const node = `... on NodePayload { node { id path archived } } ${FAILURE}`;
  const created = `mutation { createNode(input: { path: "tiny/place" }) { ${node} } }`;
  const { id } = (await graphql.one<{ node: { id: string } }>(created)).node;
  const move = `mutation { moveNode(node: "tiny/place", input: { path: "tiny/elsewhere" }) { ${node} } }`;
  expect(await graphql.one(move)).toMatchObject({ node: { path: 'tiny/elsewhere' } });
  const redirects = '{ redirects { nodes { id path node { path } } } }';
  const listed = await graphql.one<{ nodes: { id: string }[] }>(redirects);
  expect(listed).toMatchObject({ nodes: [{ path: 'tiny/place', node: { path: 'tiny/elsewhere' } }] });
  const drop = `mutation ($id: ID!) { dropRedirect(id: $id) { ... on DropRedirectPayload { id } ${FAILURE} } }`;
  expect(await graphql.one(drop, { id: listed.nodes[0]!.id })).toEqual({ id: listed.nodes[0]!.id });
  expect(await graphql.one(drop, { id: listed.nodes[0]!.id })).toMatchObject({ __typename: 'NotFound' });
  const archive = `mutation { archiveNode(node: "tiny/elsewhere") { ${node} } }`;
  expect(await graphql.one(archive)).toMatchObject({ node: { archived: true } });
  const restore = `mutation { restoreNode(node: "tiny/elsewhere") { ${node} } }`;
  expect(await graphql.one(restore)).toMatchObject({ node: { archived: false } });
  const remove = `mutation { deleteNode(node: "tiny/elsewhere") {
    ... on DeleteNodePayload { deleted { id path nodes } } ${FAILURE} } }`;
  expect(await graphql.one(remove)).toEqual({ deleted: { id, path: 'tiny/elsewhere', nodes: 1 } });
  const undelete = `mutation ($id: ID!) { undeleteNode(id: $id) { ${node} } }`;
  expect(await graphql.one(undelete, { id })).toMatchObject({ node: { id, path: 'tiny/elsewhere' } });
});

test('the audit log is read by filter, newest first, and garbage is collected', async () => {
  const audit = `query ($filter: AuditFilter) { audit(filter: $filter, first: 2) {
    nodes { sequence action path key { name } before after } pageInfo { hasNextPage } } }`;
  const { nodes } = await graphql.one<{ nodes: { sequence: number }[] }>(audit, {
    filter: { action: 'node.', key: null, from: '2020-01-01T00:00:00Z' },
  });
  expect(nodes).toMatchObject([{ action: 'node.undelete', key: { name: 'admin' } }, { action: 'node.delete' }]);
  const gc = `mutation ($input: CollectGarbageInput) { gc(input: $input) {
    ... on GarbageReport { dryRun graceSeconds blobs { removed removedBytes kept } revisions { purged } } ${FAILURE} } }`;
  expect(await graphql.one(gc, { input: { dryRun: true, graceSeconds: 0 } })).toMatchObject({
    dryRun: true,
    graceSeconds: 0,
  });
  expect(await graphql.one(gc)).toMatchObject({ dryRun: false, graceSeconds: 604800, blobs: { removed: 0 } });
});

test('keys are made, changed, rotated and revoked', async () => {
  const create = `mutation ($input: CreateKeyInput!) { createKey(input: $input) {
    ... on NewKeyPayload { text key { id name scopes version subtree { path } } } ${FAILURE} } }`;
  const input = { name: 'reader', scopes: ['read'], subtree: 'tiny/parent', requestsPerMinute: 600 };
  const made = await graphql.one<{ text: string; key: { id: string } }>(create, { input });
  expect(made.key).toMatchObject({ name: 'reader', scopes: ['read'], version: 1, subtree: { path: 'tiny/parent' } });
  const reads = '{ nodes(first: 1) { nodes { path } } }';
  const reader = new GraphqlCaller(registry.service, made.text);
  expect(await reader.run(reads)).toEqual({ nodes: { nodes: [{ path: 'tiny/parent' }] } });
  const update = `mutation ($key: ID!) { updateKey(key: $key, input: { name: "renamed", requestsPerMinute: null }, expectedVersion: 1) {
    ... on KeyPayload { key { name requestsPerMinute version } } ${FAILURE} } }`;
  const key = made.key.id;
  expect(await graphql.one(update, { key })).toEqual({ key: { name: 'renamed', requestsPerMinute: null, version: 2 } });
  expect(await graphql.one(update, { key })).toMatchObject({ __typename: 'VersionConflict' });
  const rotate = `mutation ($key: ID!) { rotateKey(key: $key) { ... on NewKeyPayload { text key { id } } ${FAILURE} } }`;
  const rotated = await graphql.one<{ text: string; key: { id: string } }>(rotate, { key });
  expect((await reader.refusal(reads)).status).toBe(401);
  expect(await new GraphqlCaller(registry.service, rotated.text).run(reads)).toMatchObject({});
  const revoke = `mutation ($key: ID!) { revokeKey(key: $key) { ... on KeyPayload { key { revokedAt } } ${FAILURE} } }`;
  expect(await graphql.one(revoke, { key: rotated.key.id })).toMatchObject({
    key: { revokedAt: expect.any(String) as string },
  });
  const list = '{ keys(revoked: true) { nodes { id name } } }';
  const { nodes } = await graphql.one<{ nodes: { name: string }[] }>(list);
  expect(nodes.map(({ name }) => name)).toEqual(expect.arrayContaining(['admin', 'renamed']));
});

test('a model is imported once', async () => {
  const importing = `mutation ($input: ImportModelInput!) { importModel(input: $input) {
    ... on ImportModelPayload { unchanged model { name parameters root { path } } } ${FAILURE} } }`;
  const input = { name: 'tiny', folder: `${registry.folder}/tiny` };
  expect(await graphql.one(importing, { input })).toMatchObject({ unchanged: true, model: { root: { path: 'tiny' } } });
  expect(await graphql.one(importing, { input: { ...input, name: 'No' } })).toMatchObject({ __typename: 'Refused' });
});
