/** Changes as they happen, over a WebSocket. */
import { jest } from '@jest/globals';
import type { Client } from 'graphql-ws';
import WebSocket from 'ws';
import { GraphqlCaller } from './support/graphql.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(120_000);

let registry: TinyRegistry;
let graphql: GraphqlCaller;
const clients: Client[] = [];

beforeAll(async () => {
  registry = await TinyRegistry.start();
  graphql = new GraphqlCaller(registry.service);
  await registry.push('tiny/left', { seed: 1 });
  await registry.push('tiny/right', { seed: 2 });
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
});
afterAll(() => registry.remove());

/** Of the close frame. */
interface Closed {
  code: number;
}

interface Change {
  action: string;
  path: string | null;
  sequence: number;
  node: { path: string; head: { number: number } | null } | null;
  revisions: { number: number }[];
}

function clientOf(caller: GraphqlCaller, options?: { header: boolean }): Client {
  const client = caller.socket(options);
  clients.push(client);
  return client;
}

const FIELDS = 'action path sequence node { path head { number } } revisions { number }';

/** Subscribed once it resolves, since subscriptions of one socket are taken in order and answered through HTTP later. */
async function subscribed(client: Client, field: string): Promise<AsyncGenerator<Change>> {
  const connected = new Promise<void>((resolve) => client.on('connected', () => resolve()));
  const results = client.iterate<Record<string, Change>>({ query: `subscription { ${field} { ${FIELDS} } }` });
  await connected;
  // The service has taken the subscription when it answers what came after it.
  await new Promise((resolve) => setTimeout(resolve, 300));
  return (async function* () {
    for await (const { data, errors } of results) {
      if (errors) throw new Error(JSON.stringify(errors));
      yield Object.values(data ?? {})[0]!;
    }
  })();
}

async function next(changes: AsyncGenerator<Change>): Promise<Change> {
  const { value } = (await changes.next()) as { value: Change };
  return value;
}

const create = (path: string): Promise<unknown> => registry.post('/nodes', { path }, 201);

test('a node that is made, moved and deleted is told of, in order', async () => {
  const changes = await subscribed(clientOf(graphql), 'treeChanged');
  await create('tiny/new');
  await registry.post('/nodes/tiny%2Fnew/move', { path: 'tiny/newer' });
  await registry.call('/nodes/tiny%2Fnewer', 200, { method: 'DELETE' });
  const [made, moved, deleted] = [await next(changes), await next(changes), await next(changes)];
  expect(made).toMatchObject({ action: 'node.create', path: 'tiny/new' });
  expect(moved).toMatchObject({ action: 'node.move', path: 'tiny/newer' });
  expect(deleted).toMatchObject({ action: 'node.delete', path: 'tiny/newer', node: null });
  expect([moved.sequence - made.sequence, deleted.sequence - moved.sequence]).toEqual([1, 1]);
});

test('a push and a promotion are told of, with the revision and the head that they give', async () => {
  const changes = await subscribed(clientOf(graphql), 'revisionChanged');
  await registry.push('tiny/left', { seed: 11 });
  expect(await next(changes)).toMatchObject({
    action: 'revision.push',
    node: { path: 'tiny/left', head: { number: 1 } },
    revisions: [{ number: 2 }],
  });
  await registry.post('/nodes/tiny%2Fleft/promote', { revision: 2 });
  expect(await next(changes)).toMatchObject({ action: 'head.promote', node: { head: { number: 2 } } });
});

test('a subscription under a node hears of what lies there alone', async () => {
  const changes = await subscribed(clientOf(graphql), 'treeChanged(under: "tiny/left")');
  await create('tiny/right/elsewhere');
  await create('tiny/left/here');
  expect(await next(changes)).toMatchObject({ path: 'tiny/left/here' });
});

test('a key hears of nothing outside of its subtree', async () => {
  const { key } = await registry.post<{ key: string }>(
    '/keys',
    { name: 'right', scopes: ['read'], subtree: 'tiny/right' },
    201,
  );
  const changes = await subscribed(clientOf(new GraphqlCaller(registry.service, key)), 'treeChanged');
  await create('tiny/left/unheard');
  await create('tiny/right/heard');
  await registry.call('/nodes/tiny%2Fleft%2Funheard', 200, { method: 'DELETE' });
  await registry.call('/nodes/tiny%2Fright%2Fheard', 200, { method: 'DELETE' });
  expect(await next(changes)).toMatchObject({ path: 'tiny/right/heard', action: 'node.create' });
  expect(await next(changes)).toMatchObject({ path: 'tiny/right/heard', action: 'node.delete' });
  const elsewhere = clientOf(new GraphqlCaller(registry.service, key));
  const refused = await subscribed(elsewhere, 'treeChanged(under: "tiny/left")');
  await expect(next(refused)).rejects.toThrow(/path_not_found/);
});

test('the key may come with the request that opens the socket', async () => {
  const changes = await subscribed(clientOf(graphql, { header: true }), 'treeChanged');
  await create('tiny/left/by-header');
  expect(await next(changes)).toMatchObject({ path: 'tiny/left/by-header' });
});

test.each([null, 'esp_000000000000_0000000000000000000000000000000000000000000'])(
  'a socket with the key %s is closed as forbidden',
  async (key) => {
    const client = clientOf(new GraphqlCaller(registry.service, key));
    const closed = new Promise<Closed>((resolve) => client.on('closed', (event) => resolve(event as Closed)));
    client.subscribe(
      { query: 'subscription { treeChanged { action } }' },
      { next: nothing, error: nothing, complete: nothing },
    );
    expect((await closed).code).toBe(4403);
  },
);

test('a socket ends with its key', async () => {
  const { key, id } = await registry.post<{ key: string; id: string }>(
    '/keys',
    { name: 'short', scopes: ['read'] },
    201,
  );
  const client = clientOf(new GraphqlCaller(registry.service, key));
  const closed = new Promise<Closed>((resolve) => client.on('closed', (event) => resolve(event as Closed)));
  const changes = await subscribed(client, 'treeChanged');
  const end = changes.next().catch((error: unknown) => error);
  await registry.post(`/keys/${id}/revoke`, undefined);
  expect((await closed).code).toBe(4403);
  await end;
});

const REFUSED: [string, string][] = [
  ['{ nodes { nodes { path } } }', 'graphql_invalid'],
  ['mutation { disableNode(node: "tiny/left") { __typename } }', 'graphql_invalid'],
  ['subscription { nothing }', 'graphql_invalid'],
  ['subscription {', 'graphql_syntax'],
  [`subscription { treeChanged { node { ${'parent { '.repeat(12)} path ${'} '.repeat(12)} } } }`, 'graphql_limit'],
  [
    'subscription { treeChanged { node { children(first: 1000) { nodes { children(first: 100) { nodes { path } } } } } } }',
    'graphql_limit',
  ],
];

test.each(REFUSED)('a socket refuses %s', async (query, code) => {
  const client = clientOf(graphql);
  const error = await new Promise((resolve) => {
    client.subscribe({ query }, { next: nothing, error: resolve, complete: () => resolve('completed') });
  });
  expect(error).toMatchObject([{ extensions: { code, status: 400 } }]);
});

test('a key without the scope is told so', async () => {
  const infer = new GraphqlCaller(registry.service, registry.service.keys.infer);
  const changes = await subscribed(clientOf(infer), 'treeChanged');
  await expect(next(changes)).rejects.toThrow(/missing_scope/);
});

test('no other path takes sockets, and the service outlives noise on one', async () => {
  const url = registry.service.url.replace('http', 'ws');
  const elsewhere = new WebSocket(`${url}/elsewhere`);
  await expect(opened(elsewhere)).rejects.toThrow(/404/);
  const noisy = new WebSocket(`${url}/graphql`, 'graphql-transport-ws');
  await opened(noisy);
  const closed = new Promise((resolve) => noisy.once('close', resolve));
  noisy.send('{"type": "subscribe"');
  await closed;
  const large = new WebSocket(`${url}/graphql`, 'graphql-transport-ws');
  await opened(large);
  const cut = new Promise((resolve) => large.once('close', resolve));
  large.send('x'.repeat(70_000));
  expect(await cut).toBe(1009);
  expect((await registry.service.call('/health/live')).status).toBe(200);
});

test('sockets end when the service does', async () => {
  const client = clientOf(graphql);
  const closed = new Promise<Closed>((resolve) => client.on('closed', (event) => resolve(event as Closed)));
  const changes = await subscribed(client, 'treeChanged');
  const end = changes.next().catch((error: unknown) => error);
  const stopped = Date.now();
  const { code } = await registry.service.stop();
  expect(code).toBe(0);
  expect(Date.now() - stopped).toBeLessThan(4_000);
  expect((await closed).code).toBe(1001);
  await end;
});

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
}

function nothing(): void {
  // Nobody waits for it.
}
