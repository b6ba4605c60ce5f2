/** Movable names for revisions, who may move them, and the history of heads. */
import { jest } from '@jest/globals';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { AliasDto, SetAliasDto } from '../../src/registry/aliases/alias.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { HeadMoveDto } from '../../src/registry/history/history.dto.js';
import type { CallOptions } from './support/service.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
const keys: Record<string, string> = {};
beforeAll(async () => {
  registry = await TinyRegistry.start();
  for (const seed of [1, 2, 3]) await registry.push('tiny/french', { seed });
  await registry.push('tiny/french/verne', { seed: 4, trainedOn: 1 });
  await registry.push('tiny/german', { seed: 5 });
  for (const scope of ['read', 'write', 'promote']) {
    const { key } = await registry.post<{ key: string }>('/keys', { name: scope, scopes: [scope] }, 201);
    keys[scope] = key;
  }
}, 130_000);
afterAll(() => registry.remove());

const at = (name: string, node = 'tiny/french') => `/nodes/${encodeURIComponent(node)}/aliases/${name}`;
const put = (json: object, options: CallOptions = {}): CallOptions => ({ method: 'PUT', json, ...options });
const set = (name: string, json: object, status = 200, options: CallOptions = {}) =>
  registry.call<SetAliasDto>(at(name), status, put(json, options));
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);
const last = async (action: string) =>
  (await registry.get<Page<AuditEntryDto>>(`/audit?action=${action}&limit=1`)).data[0];

describe('an alias', () => {
  test('is made, moved, found in paths, and deleted; each is written down', async () => {
    const made = await set('candidate', { revision: 2 }, 201);
    expect(made).toMatchObject({
      path: 'tiny/french',
      name: 'candidate',
      revision: { number: 2 },
      protected: false,
      version: 1,
      outcome: 'created',
      before: null,
    });
    expect(await last('alias.set')).toMatchObject({
      path: 'tiny/french',
      before: null,
      after: { alias: 'candidate', revision: 2 },
    });
    expect((await resolve('tiny/french@candidate')).steps).toMatchObject([
      { revision: { number: 2 }, reason: 'explicit' },
    ]);
    expect(await set('candidate', { revision: 2 })).toMatchObject({ version: 1, outcome: 'unchanged', before: 2 });
    expect(await set('candidate', { revision: 3 })).toMatchObject({ version: 2, outcome: 'changed', before: 2 });
    expect(await last('alias.move')).toMatchObject({ before: { revision: 2 }, after: { revision: 3 } });
    const inner = await resolve('tiny/french@candidate/verne');
    expect(inner.steps).toMatchObject([{ revision: { number: 3 }, offPin: true }, { revision: { number: 1 } }]);
    expect(await registry.call(at('candidate'), 200, { method: 'DELETE' })).toMatchObject({ revision: { number: 3 } });
    expect(await last('alias.delete')).toMatchObject({ before: { alias: 'candidate' }, after: null });
    expect(await registry.refusal('/resolve?path=tiny/french@candidate')).toMatchObject({ code: 'revision_not_found' });
  });

  test('is listed by name, in pages, and with its node', async () => {
    for (const [i, name] of ['c', 'a', 'b'].entries()) await set(name, { revision: i + 1 }, 201);
    const list = `/nodes/${encodeURIComponent('tiny/french')}/aliases`;
    const first = await registry.get<Page<AliasDto>>(`${list}?limit=2`);
    expect(first.data.map(({ name, revision }) => [name, revision.number])).toEqual([
      ['a', 2],
      ['b', 3],
    ]);
    const rest = await registry.get<Page<AliasDto>>(`${list}?limit=2&cursor=${first.nextCursor ?? ''}`);
    expect(rest).toMatchObject({ data: [{ name: 'c' }], nextCursor: null });
    const node = await registry.get<NodeDto>(`/nodes/${encodeURIComponent('tiny/french')}`);
    expect(node.aliases).toEqual([
      { name: 'a', revision: 2, protected: false },
      { name: 'b', revision: 3, protected: false },
      { name: 'c', revision: 1, protected: false },
    ]);
  });

  test.each([
    ['1st', 400, 'invalid_request'],
    ['Upper', 400, 'invalid_request'],
    ['a'.repeat(65), 400, 'invalid_request'],
  ])('has no name %s', async (name, status, code) => {
    expect(await registry.refusal(at(name), put({ revision: 1 }))).toMatchObject({ status, code });
  });

  test('names a revision of its own node', async () => {
    expect(await registry.refusal(at('x'), put({ revision: 9 }))).toMatchObject({ code: 'revision_not_found' });
    const [german] = (await registry.get<Page<{ id: string }>>(`/nodes/${encodeURIComponent('tiny/german')}/revisions`))
      .data;
    expect(await registry.refusal(at('x'), put({ revision: german!.id }))).toMatchObject({
      code: 'revision_not_found',
    });
    expect(await registry.refusal(at('x'), put({}))).toMatchObject({ code: 'invalid_request' });
    expect(await registry.refusal(at('x', 'tiny'), put({ revision: 1 }))).toMatchObject({ code: 'revision_not_found' });
    expect(await registry.refusal(at('x'), { method: 'DELETE' })).toMatchObject({
      status: 404,
      code: 'alias_not_found',
    });
  });

  test('that is protected is for those who promote', async () => {
    const write = { key: keys['write'] };
    expect(await registry.refusal(at('production'), put({ revision: 1, protected: true }, write))).toMatchObject({
      status: 403,
      code: 'missing_scope',
    });
    await set('production', { revision: 1 }, 201, write);
    const promote = { key: keys['promote'] };
    expect(await set('production', { revision: 1, protected: true }, 200, promote)).toMatchObject({
      outcome: 'changed',
      protected: true,
    });
    for (const json of [{ revision: 2 }, { revision: 1, protected: false }]) {
      expect(await registry.refusal(at('production'), put(json, write))).toMatchObject({ code: 'missing_scope' });
    }
    expect(await registry.refusal(at('production'), { method: 'DELETE', ...write })).toMatchObject({ status: 403 });
    expect(await set('production', { revision: 2 }, 200, promote)).toMatchObject({ protected: true, before: 1 });
    expect(await registry.refusal(at('a'), put({ revision: 1 }, { key: keys['read'] }))).toMatchObject({ status: 403 });
    await registry.call(at('production'), 200, { method: 'DELETE', ...promote });
  });

  test('changes only as it was seen', async () => {
    const { version } = await set('seen', { revision: 1 }, 201);
    const seen = { headers: { 'if-match': `"${version}"` } };
    const { headers } = await registry.service.call(`/api/v1${at('seen')}`, put({ revision: 2 }, seen));
    expect(headers.get('etag')).toBe(`"${version + 1}"`);
    const conflict = await registry.service.call<{ error: { code: string; details: object } }>(
      `/api/v1${at('seen')}`,
      put({ revision: 3 }, seen),
    );
    expect(conflict).toMatchObject({ status: 412, body: { error: { code: 'version_conflict' } } });
    expect(conflict.body.error.details).toMatchObject({
      version: version + 1,
      current: { name: 'seen', revision: { number: 2 } },
    });
    expect(await registry.refusal(at('seen'), { method: 'DELETE', ...seen })).toMatchObject({ status: 412 });
    await registry.call(at('seen'), 200, { method: 'DELETE' });
    expect(await registry.refusal(at('seen'), put({ revision: 3 }, seen))).toMatchObject({ code: 'alias_not_found' });
  });
});

test('the history of heads says what was served, since when, why, and by whom', async () => {
  const promote = { key: keys['promote'] };
  for (const seed of [21, 22]) await registry.push('tiny/history', { seed });
  const node = `/nodes/${encodeURIComponent('tiny/history')}`;
  await registry.call(`${node}/promote`, 200, { json: { revision: 2 }, ...promote });
  await registry.call(`${node}/rollback`, 200, { json: {} });
  const history = await registry.get<Page<HeadMoveDto>>(`${node}/history`);
  expect(
    history.data.map(({ reason, revision, before, by }) => [reason, revision?.number, before, by?.keyName]),
  ).toEqual([
    ['rollback', 1, 2, 'admin'],
    ['promote', 2, 1, 'promote'],
    ['first', 1, null, 'admin'],
  ]);
  const paged: HeadMoveDto[] = [];
  for (let cursor = ''; ;) {
    const page = await registry.get<Page<HeadMoveDto>>(`${node}/history?limit=1${cursor}`);
    paged.push(...page.data);
    if (page.nextCursor === null) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  expect(paged).toEqual(history.data);
  expect(await registry.get<Page<HeadMoveDto>>('/nodes/tiny/history')).toMatchObject({ data: [] });
});
