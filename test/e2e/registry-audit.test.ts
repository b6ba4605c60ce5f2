/** The audit log: who changed what, as far as the reader may know; and that nobody rewrites it. */
import { jest } from '@jest/globals';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { openDatabase } from './support/query.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
let top: NodeDto;
let moved: NodeDto;
let deleted: NodeDto;
let writer: NewKeyDto;

const create = (path: string, headers = {}) => registry.call<NodeDto>('/nodes', 201, { json: { path }, headers });
const keyOf = (body: object) => registry.post<NewKeyDto>('/keys', body, 201);

beforeAll(async () => {
  registry = await TinyRegistry.start();
  top = await create('tiny/top', { 'x-request-id': 'the-first' });
  await create('tiny/outside');
  moved = await create('tiny/outside/secret');
  await registry.push('tiny/top/leaf', { seed: 1 });
  await registry.push('tiny/top/leaf', { seed: 2 });
  await registry.post('/nodes/tiny%2Ftop%2Fleaf/promote', { revision: 2 });
  await registry.post(`/nodes/${moved.id}/move`, { path: 'tiny/top/known' });
  deleted = await create('tiny/top/short');
  await registry.call(`/nodes/${deleted.id}`, 200, { method: 'DELETE' });
  writer = await keyOf({ name: 'writer', scopes: ['write'] });
  await registry.service.call('/api/v1/nodes', { key: writer.key, json: { path: 'tiny/written' } });
  await registry.post('/gc', { graceSeconds: 0 });
}, 130_000);
afterAll(() => registry.remove());

const read = async (query = '', key?: string) => {
  const { status, body } = await registry.service.call<Page<AuditEntryDto>>(`/api/v1/audit?${query}`, { key });
  expect(status).toBe(200);
  return body.data;
};
const actions = async (query = '', key?: string) => (await read(query, key)).map(({ action }) => action);

async function exported(query = '', key?: string): Promise<AuditEntryDto[]> {
  const response = await registry.service.fetch(`/api/v1/audit/export?${query}`, { key });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('application/jsonl');
  const text = await response.text();
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as AuditEntryDto);
}

test('has every change in order, without gaps, the newest first', async () => {
  const all = await read();
  expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, i) => all.length - i));
  expect(all.map(({ action }) => action).reverse()).toEqual([
    'model.import',
    'node.create',
    'node.create',
    'node.create',
    'revision.push',
    'revision.push',
    'head.promote',
    'node.move',
    'node.create',
    'node.delete',
    'key.create',
    'node.create',
    'gc.run',
  ]);
  const [move] = await read('action=node.move');
  expect(move).toMatchObject({
    key: { name: 'admin' },
    node: moved.id,
    path: 'tiny/top/known',
    before: { path: 'tiny/outside/secret' },
    after: { path: 'tiny/top/known' },
  });
});

test('comes in pages', async () => {
  const all = await read();
  const found: AuditEntryDto[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page<AuditEntryDto> = await registry.get(`/audit?limit=5${cursor && `&cursor=${cursor}`}`);
    found.push(...page.data);
    cursor = page.nextCursor;
  }
  expect(found).toEqual(all);
});

test('is asked by node, action, key, time and request', async () => {
  expect(await actions('node=tiny/top/leaf')).toEqual(['head.promote', 'revision.push', 'revision.push']);
  expect(await actions(`node=${deleted.id}`)).toEqual(['node.delete', 'node.create']);
  expect(await actions('action=head.')).toEqual(['head.promote']);
  expect(await actions('action=head')).toEqual([]);
  expect(await actions(`key=${writer.id}`)).toEqual(['node.create']);
  expect(await actions('key=writer')).toEqual(['node.create']);
  expect(await read('request=the-first')).toMatchObject([{ node: top.id, request: 'the-first' }]);
  const all = await read();
  const at = all[4]?.at ?? '';
  const newer = all.filter((entry) => entry.at >= at);
  expect(await read(`from=${at}`)).toEqual(newer);
  expect(await read(`to=${at}`)).toEqual(all.slice(newer.length));
  const shifted = encodeURIComponent(new Date(Date.parse(at) + 7_200_000).toISOString().replace('Z', '+02:00'));
  expect(await read(`from=${shifted}`)).toEqual(newer);
  expect((await registry.refusal('/audit?node=tiny/nothing')).code).toBe('path_not_found');
  expect((await registry.refusal('/audit?from=yesterday')).code).toBe('invalid_request');
});

test('is exported whole, the oldest first', async () => {
  expect(await exported()).toEqual((await read()).reverse());
  expect(await exported('action=node.move')).toEqual(await read('action=node.move'));
  expect(await exported('request=none')).toEqual([]);
});

test('tells of keys and of garbage to admins alone', async () => {
  const known = await actions('', writer.key);
  expect(known.filter((action) => /^(key|gc)\./.test(action))).toEqual([]);
  expect(known).toContain('model.import');
  const infer = registry.service.keys.infer;
  expect((await registry.service.call('/api/v1/audit', { key: infer })).status).toBe(403);
});

test('tells a key that is bound to a subtree of that alone', async () => {
  const { key } = await keyOf({ name: 'bound', scopes: ['read'], subtree: 'tiny/top' });
  const seen = await read('', key);
  expect(seen.map(({ action }) => action)).toEqual([
    'node.delete',
    'node.create',
    'node.move',
    'head.promote',
    'revision.push',
    'revision.push',
    'node.create',
    'node.create',
  ]);
  expect(JSON.stringify(seen)).not.toContain('outside');
  expect(seen.filter(({ node }) => node === moved.id)).toMatchObject([
    { action: 'node.move', path: 'tiny/top/known', before: { path: null }, after: { path: 'tiny/top/known' } },
    { action: 'node.create', path: null },
  ]);
  expect(await exported('', key)).toEqual(seen.toReversed());
  const outside = await registry.get<NodeDto>('/nodes/tiny%2Foutside');
  expect(await read(`node=${outside.id}`, key)).toEqual([]);
  const { status } = await registry.service.call('/api/v1/audit?node=tiny/outside', { key });
  expect(status).toBe(404);

  const manager = await keyOf({ name: 'manager', scopes: ['admin'], subtree: 'tiny/top' });
  expect((await actions('', manager.key)).slice(0, 2)).toEqual(['key.create', 'key.create']);
  expect(await actions('action=gc.run', manager.key)).toEqual([]);

  const gone = await create('tiny/going');
  const lost = await keyOf({ name: 'lost', scopes: ['read'], subtree: 'tiny/going' });
  await registry.call(`/nodes/${gone.id}`, 200, { method: 'DELETE' });
  expect(await read('', lost.key)).toEqual([]);
  expect(await exported('', lost.key)).toEqual([]);
});

test('is rewritten by nobody, whatever they may do with the database', async () => {
  await registry.service.stop();
  const database = await openDatabase(registry.service);
  const rows = () => database.query('SELECT * FROM "AuditEntry" ORDER BY sequence');
  const before = await rows();
  expect(before).not.toEqual([]);
  for (const sql of [
    `UPDATE "AuditEntry" SET "keyName" = 'nobody'`,
    'DELETE FROM "AuditEntry" WHERE sequence = 1',
    'TRUNCATE "AuditEntry"',
  ]) {
    await expect(database.query(sql)).rejects.toThrow('append-only');
  }
  expect(await rows()).toEqual(before);
  await database.close();
});
