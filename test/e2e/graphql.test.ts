/** The registry over GraphQL, asked by a client of somebody else's. */
import { jest } from '@jest/globals';
import { GraphqlCaller } from './support/graphql.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(120_000);

let registry: TinyRegistry;
let graphql: GraphqlCaller;

beforeAll(async () => {
  registry = await TinyRegistry.start();
  graphql = new GraphqlCaller(registry.service);
  await registry.push('tiny/left', { seed: 1 });
  await registry.push('tiny/left/leaf', { seed: 2, trainedOn: 1 });
  await registry.push('tiny/right', { seed: 3 });
});
afterAll(() => registry.remove());

const NODE = `
  query ($node: ID!) {
    node(node: $node) {
      __typename
      ... on Node { id path name model parentPath policy disabled archived stale version revisionCount childCount
        head { number rank bytes isHead targets { module rank scale norm } trainedOn { number } node { path } }
        parent { path } children { nodes { path } pageInfo { hasNextPage } } revisions { nodes { number } }
        aliases { name } tags description createdAt }
      ... on Failure { code message param }
      ... on NotFound { details }
    }
  }`;

describe('a query', () => {
  test('shows a node with what hangs on it', async () => {
    expect(await graphql.one(NODE, { node: 'tiny/left' })).toMatchObject({
      __typename: 'Node',
      path: 'tiny/left',
      model: 'tiny',
      parentPath: 'tiny',
      parent: { path: 'tiny' },
      policy: 'pinned',
      stale: false,
      revisionCount: 1,
      childCount: 1,
      head: { number: 1, rank: 2, isHead: true, trainedOn: null, node: { path: 'tiny/left' } },
      children: { nodes: [{ path: 'tiny/left/leaf' }], pageInfo: { hasNextPage: false } },
      revisions: { nodes: [{ number: 1 }] },
      aliases: [],
    });
  });

  test('finds by id what it finds by path', async () => {
    const { id } = await graphql.one<{ id: string }>(NODE, { node: 'tiny/left/leaf' });
    expect(await graphql.one(NODE, { node: id })).toMatchObject({ path: 'tiny/left/leaf' });
  });

  test('names the modules that a revision changes', async () => {
    const { head } = await graphql.one<{ head: { targets: { module: string; rank: number; norm: number }[] } }>(NODE, {
      node: 'tiny/right',
    });
    const modules = head.targets.map(({ module }) => module);
    expect(modules).toEqual([...modules].sort());
    expect(head.targets[0]).toMatchObject({ rank: 2 });
  });

  test('answers what is not there with the nearest names, as data', async () => {
    expect(await graphql.one(NODE, { node: 'tiny/lefd' })).toMatchObject({
      __typename: 'NotFound',
      code: 'path_not_found',
      param: 'path',
      details: { nearest: ['tiny/left'] },
    });
    expect(await graphql.one(NODE, { node: 'tiny/a@1' })).toMatchObject({
      __typename: 'Refused',
      code: 'invalid_path',
    });
  });

  test('explains a path', async () => {
    const resolve = `{ resolve(path: "tiny/left/leaf:0.5") { __typename ... on Resolution {
      path digest model { name } totals { adapters rank bytes }
      steps { node { path } weight revision { number } reason explanation offPin recalled } } } }`;
    expect(await graphql.one(resolve)).toMatchObject({
      __typename: 'Resolution',
      path: 'tiny/left/leaf:0.5',
      totals: { adapters: 2, rank: 4 },
      steps: [
        { node: { path: 'tiny/left' }, weight: 1, reason: 'pinned' },
        { node: { path: 'tiny/left/leaf' }, weight: 0.5, reason: 'head' },
      ],
    });
  });

  test('shows models, and what it knows of one', async () => {
    const models = '{ models(first: 1) { edges { cursor node { name parameters layers root { path } } } } }';
    expect(await graphql.one(models)).toMatchObject({ edges: [{ node: { name: 'tiny', root: { path: 'tiny' } } }] });
    const none = '{ model(name: "none") { __typename ... on NotFound { code } } }';
    expect(await graphql.one(none)).toEqual({ __typename: 'NotFound', code: 'model_not_imported' });
  });
});

interface PageOf<T> {
  edges: { cursor: string; node: T }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
}

describe('a connection', () => {
  const PAGE_INFO = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
  const NODES = `query ($first: Int, $after: String) {
    nodes(first: $first, after: $after) { edges { cursor node { path } } ${PAGE_INFO} } }`;

  test.each([1, 2, 3, 100])('of nodes goes through all, %i at a time', async (first) => {
    const paths: string[] = [];
    let after: string | null = null;
    for (let more = true; more;) {
      const page: PageOf<{ path: string }> = await graphql.one(NODES, { first, after });
      expect(page.pageInfo.hasPreviousPage).toBe(after !== null);
      expect(page.pageInfo.startCursor).toBe(page.edges[0]?.cursor);
      paths.push(...page.edges.map(({ node }) => node.path));
      after = page.pageInfo.endCursor;
      more = page.pageInfo.hasNextPage;
    }
    expect(paths).toEqual(['tiny', 'tiny/left', 'tiny/left/leaf', 'tiny/right']);
  });

  test('of nodes goes on from any edge', async () => {
    const { edges } = await graphql.one<PageOf<{ path: string }>>(NODES, { first: 4 });
    const rest = await graphql.one<PageOf<{ path: string }>>(NODES, { first: 4, after: edges[1]!.cursor });
    expect(rest.edges.map(({ node }) => node.path)).toEqual(['tiny/left/leaf', 'tiny/right']);
  });

  test('of revisions goes both ways', async () => {
    for (const seed of [11, 12, 13, 14, 15]) await registry.push('tiny/many', { seed });
    const revisions = async (page: string): Promise<PageOf<{ number: number }>> => {
      const document = `{ node(node: "tiny/many") { ... on Node {
        revisions(${page}) { edges { cursor node { number } } ${PAGE_INFO} } } } }`;
      return (await graphql.one<{ revisions: PageOf<{ number: number }> }>(document)).revisions;
    };
    const numbers = ({ edges }: PageOf<{ number: number }>) => edges.map(({ node }) => node.number);
    const start = await revisions('first: 2');
    expect(numbers(start)).toEqual([1, 2]);
    expect(start.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const middle = await revisions(`first: 2, after: "${start.pageInfo.endCursor}"`);
    expect(numbers(middle)).toEqual([3, 4]);
    expect(middle.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const end = await revisions('last: 2');
    expect(numbers(end)).toEqual([4, 5]);
    expect(end.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect(numbers(await revisions(`last: 10, before: "${end.pageInfo.startCursor}"`))).toEqual([1, 2, 3]);
  });

  test.each(['first: 0', 'first: 1001', 'after: "x"'])('refuses %s', async (page) => {
    const { status, errors } = await graphql.refusal(`{ nodes(${page}) { nodes { path } } }`);
    expect(status).toBe(200);
    expect(errors).toMatchObject([{ extensions: { code: 'invalid_request', status: 400 } }]);
  });
});

describe('a mutation', () => {
  const CHANGED = `__typename ... on NodePayload { node { path version policy disabled tags description head { number } } }
    ... on Failure { code message param } ... on Refused { details } ... on NotFound { details }`;

  test('makes, changes, moves, disables and enables a node', async () => {
    const create = `mutation ($input: CreateNodeInput!) { createNode(input: $input) { ${CHANGED} } }`;
    const input = { path: 'tiny/new', description: 'A place', tags: ['b', 'a', 'b'] };
    expect(await graphql.one(create, { input })).toMatchObject({
      node: { path: 'tiny/new', version: 1, description: 'A place', tags: ['a', 'b'], policy: 'pinned' },
    });
    const update = `mutation { updateNode(node: "tiny/new", input: { policy: follow, tags: [] }) { ${CHANGED} } }`;
    expect(await graphql.one(update)).toMatchObject({ node: { version: 2, policy: 'follow', tags: [] } });
    const move = `mutation { moveNode(node: "tiny/new", input: { path: "tiny/newer" }) { ${CHANGED} } }`;
    expect(await graphql.one(move)).toMatchObject({ node: { path: 'tiny/newer', version: 3 } });
    const disable = `mutation { disableNode(node: "tiny/newer") { ${CHANGED} } }`;
    expect(await graphql.one(disable)).toMatchObject({ node: { disabled: true } });
    const enable = `mutation { enableNode(node: "tiny/newer") { ${CHANGED} } }`;
    expect(await graphql.one(enable)).toMatchObject({ node: { disabled: false } });
  });

  test('promotes and rolls back', async () => {
    await registry.push('tiny/right', { seed: 4 });
    const promote = `mutation { promote(node: "tiny/right", revision: 2) { ${CHANGED} } }`;
    expect(await graphql.one(promote)).toMatchObject({ node: { head: { number: 2 } } });
    const rollback = `mutation { rollback(node: "tiny/right") { ${CHANGED} } }`;
    expect(await graphql.one(rollback)).toMatchObject({ node: { head: { number: 1 } } });
    expect(await graphql.one(rollback)).toMatchObject({ __typename: 'Refused', code: 'nothing_to_roll_back' });
  });

  test('of a version that is no more answers with the node as it is', async () => {
    await graphql.one(`mutation { createNode(input: { path: "tiny/contested" }) { __typename } }`);
    const update = `mutation ($version: Int) {
      updateNode(node: "tiny/contested", input: { policy: follow }, expectedVersion: $version) { ${CHANGED}
        ... on VersionConflict { version current { ... on Node { version policy } } } } }`;
    const [one, other] = await Promise.all([graphql.one(update, { version: 1 }), graphql.one(update, { version: 1 })]);
    const results = [one, other].map(({ __typename }) => __typename).sort();
    expect(results).toEqual(['NodePayload', 'VersionConflict']);
    expect(await graphql.one(update, { version: 1 })).toMatchObject({
      __typename: 'VersionConflict',
      code: 'version_conflict',
      version: 2,
      current: { version: 2, policy: 'follow' },
    });
  });

  test('that breaks a rule is refused as data, with the field at fault', async () => {
    const create = (path: string) => `mutation { createNode(input: { path: "${path}" }) { ${CHANGED} } }`;
    expect(await graphql.one(create('tiny/left'))).toMatchObject({ __typename: 'Refused', code: 'name_taken' });
    expect(await graphql.one(create('tiny/no/where'))).toMatchObject({
      __typename: 'NotFound',
      code: 'path_not_found',
    });
    const tags = `mutation { updateNode(node: "tiny/left", input: { tags: ["no spaces"] }) { ${CHANGED} } }`;
    expect(await graphql.one(tags)).toMatchObject({ __typename: 'Refused', code: 'invalid_request', param: 'tags[0]' });
  });

  test('pushes from a folder that the service may read', async () => {
    const folder = await registry.adapter('over graphql', { seed: 21 });
    const push = `mutation ($input: PushFromFolderInput!) { pushFromFolder(input: $input) {
      __typename ... on PushPayload { unchanged revision { path number message } } ... on Failure { code } } }`;
    const input = { path: 'tiny/pushed', folder, message: 'by GraphQL' };
    const revision = { path: 'tiny/pushed', number: 1, message: 'by GraphQL' };
    expect(await graphql.one(push, { input })).toMatchObject({ unchanged: false, revision });
    expect(await graphql.one(push, { input })).toMatchObject({ unchanged: true, revision });
    expect(await graphql.one(push, { input: { ...input, folder: '/etc' } })).toMatchObject({
      __typename: 'Refused',
      code: 'folder_not_allowed',
    });
  });
});

describe('access', () => {
  test('needs a key, before anything is read', async () => {
    const { status } = await new GraphqlCaller(registry.service, null).refusal('{ nodes { nodes { path } } }');
    expect(status).toBe(401);
  });

  test('needs the scope of each operation', async () => {
    const infer = new GraphqlCaller(registry.service, registry.service.keys.infer);
    const { status, errors } = await infer.refusal('{ nodes { nodes { path } } }');
    expect(status).toBe(200);
    expect(errors).toMatchObject([{ path: ['nodes'], extensions: { code: 'missing_scope', status: 403 } }]);
  });

  test('tells no more of a fault than where the log has it', async () => {
    const { errors } = await graphql.refusal('{ nodes(first: 1, after: "dGlueS9sZWZ0AA") { nodes { path } } }');
    expect(JSON.stringify(errors)).not.toMatch(/stack|node_modules|\.js/);
  });
});
