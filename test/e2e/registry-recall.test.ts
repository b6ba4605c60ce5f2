/** A bad revision goes out of service everywhere at once; and an adapter is accepted on another revision of its parent. */
import { jest } from '@jest/globals';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { RevisionDto } from '../../src/registry/dto/revision.dto.js';
import type { HeadMoveDto } from '../../src/registry/history/history.dto.js';
import type { RecallDto } from '../../src/registry/recall/recall.dto.js';
import type { RepinnedDto } from '../../src/registry/repin/repin.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
}, 130_000);
afterAll(() => registry.remove());

let seed = 0;
const push = (path: string, trainedOn?: number) => registry.push(path, { seed: ++seed, trainedOn });
const of = (path: string) => `/nodes/${encodeURIComponent(path)}`;
const node = (path: string) => registry.get<NodeDto>(of(path));
const act = <T = NodeDto>(path: string, what: string, json: object = {}, status = 200) =>
  registry.post<T>(`${of(path)}/${what}`, json, status);
const refuse = (path: string, what: string, json: object = {}) => registry.refusal(`${of(path)}/${what}`, { json });
const recall = (path: string, json: object) => act<RecallDto>(path, 'recall', { reason: 'it insults people', ...json });
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);
const chosen = async (path: string) =>
  (await resolve(path)).steps.map(({ revision, reason, recalled }) => [revision?.number ?? null, reason, recalled]);
const entries = async (path: string) =>
  (await registry.get<Page<AuditEntryDto>>(`/audit?node=${encodeURIComponent(path)}&limit=100`)).data;

describe('a recall', () => {
  test('of the head moves head and aliases, and serves pinned children on the fallback', async () => {
    await push('tiny/a');
    await push('tiny/a');
    await act('tiny/a', 'promote', { revision: 2 });
    await push('tiny/a/x', 2);
    await push('tiny/a/x/deep', 1);
    await push('tiny/a/other', 1);
    await push('tiny/a/follows', 2);
    await registry.call(of('tiny/a/follows'), 200, { method: 'PATCH', json: { policy: 'follow' } });
    await registry.call(`${of('tiny/a')}/aliases/production`, 201, {
      method: 'PUT',
      json: { revision: 2, protected: true },
    });
    await registry.call(`${of('tiny/a')}/aliases/first`, 201, { method: 'PUT', json: { revision: 1 } });
    const before = (await resolve('tiny/a/x')).digest;

    const recalled = await recall('tiny/a', { revision: 2 });
    expect(recalled).toMatchObject({
      path: 'tiny/a',
      revision: { number: 2 },
      recalled: { reason: 'it insults people' },
      fallback: 1,
      head: { before: 2, after: 1 },
      aliases: [{ name: 'production', after: 1 }],
      affected: { total: 1, children: [{ path: 'tiny/a/x', revision: 1, isHead: true, servedOn: 1 }] },
      unchanged: false,
    });
    expect(await node('tiny/a')).toMatchObject({ head: { number: 1 }, version: recalled.version });
    expect(await chosen('tiny/a')).toEqual([[1, 'head', null]]);
    expect(await chosen('tiny/a@production')).toEqual([[1, 'explicit', null]]);
    expect(await chosen('tiny/a/x/deep')).toEqual([
      [1, 'fallback', 2],
      [1, 'pinned', null],
      [1, 'head', null],
    ]);
    expect((await resolve('tiny/a/x')).digest).not.toBe(before);
    expect(await chosen('tiny/a/other')).toEqual([
      [1, 'pinned', null],
      [1, 'head', null],
    ]);
    expect(await registry.refusal('/resolve?path=tiny/a@2')).toMatchObject({ status: 410, code: 'revision_recalled' });
    expect(await refuse('tiny/a', 'promote', { revision: 2 })).toMatchObject({ status: 410 });
    const alias = { method: 'PUT', json: { revision: 2 } };
    expect(await registry.refusal(`${of('tiny/a')}/aliases/again`, alias)).toMatchObject({ status: 410 });
    const revisions = await registry.get<Page<RevisionDto>>(`${of('tiny/a')}/revisions`);
    expect(revisions.data.map((one) => one.recalled)).toMatchObject([
      null,
      { reason: 'it insults people', fallback: 1 },
    ]);
    const history = await registry.get<Page<HeadMoveDto>>(`${of('tiny/a')}/history?limit=1`);
    expect(history.data).toMatchObject([
      { reason: 'recall', revision: { number: 1 }, before: 2, by: { keyName: 'admin' } },
    ]);

    const written = (await entries('tiny/a')).filter(({ path }) => path === 'tiny/a');
    const found = (action: string) => written.find((entry) => entry.action === action);
    expect(found('revision.recall')).toMatchObject({
      before: { revision: 2, head: 2 },
      after: { fallback: 1, head: 1, affected: { total: 1, children: [{ path: 'tiny/a/x', revision: 1 }] } },
    });
    expect(found('head.recall')).toMatchObject({ before: { head: 2 }, after: { head: 1 } });
    expect(found('alias.move')).toMatchObject({ after: { alias: 'production', revision: 1 } });
  });

  test('again does nothing, and says so; its reversal leaves head and aliases where they are', async () => {
    const before = await node('tiny/a');
    expect(await recall('tiny/a', { revision: 2, reason: 'another' })).toMatchObject({
      unchanged: true,
      recalled: { reason: 'it insults people' },
      head: { before: 1, after: 1 },
      affected: { total: 1, children: [{ servedOn: 1 }] },
    });
    expect(await node('tiny/a')).toEqual(before);
    expect(await act('tiny/a', 'unrecall', { revision: 2 })).toMatchObject({
      unchanged: false,
      recalled: null,
      fallback: null,
      head: { before: 1, after: 1 },
      affected: { total: 1, children: [{ path: 'tiny/a/x', servedOn: 2 }] },
    });
    expect(await act('tiny/a', 'unrecall', { revision: 2 })).toMatchObject({ unchanged: true });
    expect(await chosen('tiny/a/x')).toEqual([
      [2, 'pinned', null],
      [1, 'head', null],
    ]);
    expect(await chosen('tiny/a@2')).toEqual([[2, 'explicit', null]]);
    expect(await refuse('tiny/a', 'rollback')).toMatchObject({ code: 'nothing_to_roll_back' });
  });

  test('falls back to what is named, or to nothing', async () => {
    for (let i = 0; i < 3; i++) await push('tiny/b');
    await push('tiny/b/x', 1);
    await registry.call(`${of('tiny/b')}/aliases/gone`, 201, { method: 'PUT', json: { revision: 1 } });
    expect(await refuse('tiny/b', 'recall', { revision: 1, reason: 'r', fallback: 1 })).toMatchObject({ status: 400 });
    expect(await refuse('tiny/b', 'recall', { revision: 1, reason: 'r', fallback: 9 })).toMatchObject({ status: 404 });
    expect(await refuse('tiny/b', 'recall', { revision: 1, reason: '' })).toMatchObject({ status: 400 });
    expect(await recall('tiny/b', { revision: 2 })).toMatchObject({ fallback: 1, head: { before: 1, after: 1 } });
    expect(await refuse('tiny/b', 'recall', { revision: 1, reason: 'r', fallback: 2 })).toMatchObject({ status: 410 });
    expect(await recall('tiny/b', { revision: 1, fallback: null })).toMatchObject({
      fallback: null,
      head: { before: 1, after: null },
      aliases: [{ name: 'gone', after: null }],
      affected: { children: [{ servedOn: null }] },
    });
    expect(await node('tiny/b')).toMatchObject({ head: null, aliases: [] });
    expect(await chosen('tiny/b')).toEqual([[null, 'empty', null]]);
    expect(await chosen('tiny/b/x')).toEqual([
      [null, 'fallback', 1],
      [1, 'head', null],
    ]);
    // What is pushed next waits for its promotion: the node had heads before.
    expect(await push('tiny/b')).toMatchObject({ number: 4, isHead: false });
    expect(await act('tiny/b', 'promote', { revision: 3 })).toMatchObject({ head: { number: 3 } });
    expect((await registry.get<Page<HeadMoveDto>>(`${of('tiny/b')}/history?limit=2`)).data).toMatchObject([
      { reason: 'promote', revision: { number: 3 }, before: null },
      { reason: 'recall', revision: null, before: 1 },
    ]);
  });

  test('of the only head there was leaves none; of a fallback, its own fallback stands in', async () => {
    await push('tiny/c');
    await push('tiny/c/x', 1);
    await push('tiny/c');
    await push('tiny/c');
    expect(await recall('tiny/c', { revision: 1, fallback: 2 })).toMatchObject({ head: { after: 2 } });
    expect(await recall('tiny/c', { revision: 2, fallback: 3 })).toMatchObject({ head: { before: 2, after: 3 } });
    expect(await chosen('tiny/c/x')).toEqual([
      [3, 'fallback', 1],
      [1, 'head', null],
    ]);
    expect(await recall('tiny/c', { revision: 1 })).toMatchObject({
      unchanged: true,
      fallback: 2,
      affected: { children: [{ servedOn: 3 }] },
    });
    await push('tiny/only');
    expect(await recall('tiny/only', { revision: 1 })).toMatchObject({ fallback: null, head: { after: null } });
  });

  test('is for the version that was seen, and for those who promote', async () => {
    await push('tiny/d');
    const { version } = await node('tiny/d');
    const options = { json: { revision: 1, reason: 'r' }, headers: { 'if-match': `"${version + 1}"` } };
    expect(await registry.refusal(`${of('tiny/d')}/recall`, options)).toMatchObject({ status: 412 });
    const { key } = await registry.post<{ key: string }>('/keys', { name: 'w', scopes: ['write'] }, 201);
    expect(await registry.refusal(`${of('tiny/d')}/recall`, { ...options, headers: {}, key })).toMatchObject({
      status: 403,
    });
  });
});

describe('a repin', () => {
  const repin = (path: string, json: object, status: number) => act<RepinnedDto>(path, 'repin', json, status);

  test("makes a revision with the same adapter on the parent's new head, which takes over", async () => {
    await push('tiny/p');
    const old = await push('tiny/p/x', 1);
    await push('tiny/p');
    await act('tiny/p', 'promote', { revision: 2 });
    expect(await node('tiny/p/x')).toMatchObject({ stale: true });
    const made = await repin('tiny/p/x', {}, 201);
    expect(made).toMatchObject({
      number: 2,
      digest: old.digest,
      trainedOn: { number: 2 },
      isHead: true,
      repinOf: 1,
      promoted: true,
      outcome: 'created',
      message: 'Revision 1, accepted on revision 2 of the parent.',
    });
    expect(await node('tiny/p/x')).toMatchObject({ stale: false, head: { number: 2 } });
    expect(await chosen('tiny/p/x')).toEqual([
      [2, 'pinned', null],
      [2, 'head', null],
    ]);
    expect(await repin('tiny/p/x', {}, 200)).toMatchObject({ number: 2, outcome: 'unchanged', promoted: false });
    const written = (await entries('tiny/p/x')).map(({ action, after }) => [action, after]);
    expect(written.slice(0, 2)).toMatchObject([
      ['head.repin', { head: 2 }],
      ['revision.repin', { revision: 2, repinOf: 1, trainedOn: 2, head: true }],
    ]);
    expect(await act('tiny/p/x', 'rollback')).toMatchObject({ head: { number: 1 } });
    // The same adapter on the same parent revision is there already.
    expect(await repin('tiny/p/x', {}, 200)).toMatchObject({ number: 2, outcome: 'existing', promoted: true });
  });

  test('takes another revision, and another of the parent', async () => {
    await push('tiny/p/x', 1);
    const made = await repin('tiny/p/x', { revision: 3, trainedOn: 2, message: 'checked by hand' }, 201);
    expect(made).toMatchObject({ number: 4, repinOf: 3, promoted: false, isHead: false, message: 'checked by hand' });
  });

  test('is refused where it makes no sense', async () => {
    expect(await refuse('tiny', 'repin')).toMatchObject({ code: 'root_node' });
    await registry.post('/nodes', { path: 'tiny/p/none' }, 201);
    expect(await refuse('tiny/p/none', 'repin')).toMatchObject({ code: 'revision_not_found' });
    expect(await refuse('tiny/p/x', 'repin', { trainedOn: 7 })).toMatchObject({ code: 'invalid_trained_on' });
    await recall('tiny/p', { revision: 1, fallback: 2 });
    expect(await refuse('tiny/p/x', 'repin', { trainedOn: 1 })).toMatchObject({ code: 'revision_recalled' });
    await recall('tiny/p/x', { revision: 3 });
    expect(await refuse('tiny/p/x', 'repin', { revision: 3 })).toMatchObject({ code: 'revision_recalled' });
  });

  test('ends the detachment of a node that was moved by force', async () => {
    await push('tiny/q');
    await act('tiny/p/x', 'move', { path: 'tiny/q/x', force: true });
    expect(await node('tiny/q/x')).toMatchObject({ detached: true });
    expect(await repin('tiny/q/x', {}, 201)).toMatchObject({ trainedOn: { number: 1 }, promoted: true });
    expect(await node('tiny/q/x')).toMatchObject({ detached: false, stale: false, policy: 'follow' });
  });
});
