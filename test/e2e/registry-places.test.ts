/** Old paths of nodes that moved; nodes that are put away; nodes that are deleted, and come back. */
import { jest } from '@jest/globals';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import type { RedirectDto } from '../../src/registry/places/redirect.dto.js';
import type { DeletedNodeDto } from '../../src/registry/places/removal.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
}, 130_000);
afterAll(() => registry.remove());

const at = (node: string, rest = '') => `/nodes/${encodeURIComponent(node)}${rest}`;
const create = (path: string) => registry.post<NodeDto>('/nodes', { path }, 201);
const get = (node: string) => registry.get<NodeDto>(at(node));
const act = (node: string, what: string, json: object = {}) => registry.post<NodeDto>(at(node, `/${what}`), json);
const refuse = (path: string, json: object = {}) => registry.refusal(path, { json });
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);
const remove = (node: string, query = '') => registry.call<DeletedNodeDto>(at(node, query), 200, { method: 'DELETE' });
const refuseRemoval = (node: string, query = '') => registry.refusal(at(node, query), { method: 'DELETE' });

async function listed(query: string): Promise<string[]> {
  return (await registry.get<Page<NodeDto>>(`/nodes?limit=1000&${query}`)).data.map(({ path }) => path);
}

async function redirects(query = ''): Promise<RedirectDto[]> {
  return (await registry.get<Page<RedirectDto>>(`/redirects?limit=1000&${query}`)).data;
}

async function keyOf(subtree: string, scopes = ['write']): Promise<string> {
  return (await registry.post<NewKeyDto>('/keys', { name: subtree, scopes, subtree }, 201)).key;
}

describe('the old path of a node that moved', () => {
  beforeAll(async () => {
    for (const path of ['tiny/old', 'tiny/old/a', 'tiny/new']) await create(path);
    await registry.push('tiny/old/a/leaf', { seed: 1 });
    await registry.push('tiny/old/a/leaf/below', { seed: 2, trainedOn: 1 });
  });

  test('leads on, for all that names nodes by paths, with ids and pins as they were', async () => {
    const leaf = await get('tiny/old/a/leaf');
    const before = await resolve('tiny/old/a/leaf/below');
    await act('tiny/old/a/leaf', 'move', { path: 'tiny/new/leaf' });
    expect(await get('tiny/old/a/leaf')).toMatchObject({
      id: leaf.id,
      path: 'tiny/new/leaf',
      version: leaf.version + 1,
    });
    expect(await resolve('tiny/old/a/leaf/below')).toMatchObject({
      digest: before.digest,
      path: 'tiny/new/leaf/below',
      redirectedFrom: 'tiny/old/a/leaf/below',
    });
    expect(await create('tiny/old/a/leaf/made')).toMatchObject({ path: 'tiny/new/leaf/made' });
    const pushed = await registry.push('tiny/old/a/leaf/below', { seed: 3, trainedOn: 1 });
    expect(pushed).toMatchObject({ path: 'tiny/new/leaf/below', number: 2 });
  });

  test('is listed where it lies', async () => {
    const all = await redirects();
    expect(all.map(({ path, node }) => [path, node?.path])).toEqual([['tiny/old/a/leaf', 'tiny/new/leaf']]);
    expect(await redirects('under=tiny/old')).toEqual(all);
    expect(await redirects('under=tiny/new')).toEqual([]);
    // It stays with the node under which it lies, whatever that is called.
    await act('tiny/old/a', 'move', { path: 'tiny/old/b' });
    expect((await redirects()).map(({ path }) => path).toSorted()).toEqual(['tiny/old/a', 'tiny/old/b/leaf']);
    expect(await get('tiny/old/a/leaf/below')).toMatchObject({ path: 'tiny/new/leaf/below' });
    const page = await registry.get<Page<RedirectDto>>('/redirects?limit=1');
    const next = await registry.get<Page<RedirectDto>>(`/redirects?limit=1&cursor=${page.nextCursor}`);
    expect([...page.data, ...next.data].map(({ path }) => path)).toEqual(['tiny/old/b/leaf', 'tiny/old/a']);
    expect(next.nextCursor).toBeNull();
  });

  test('is refused to every other node until it is dropped', async () => {
    const [redirect] = await redirects('under=tiny/old/b');
    await create('tiny/other');
    for (const [path, json] of [
      ['/nodes', { path: 'tiny/old/b/leaf' }],
      [at('tiny/other', '/move'), { path: 'tiny/old/b/leaf' }],
      ['/revisions', { path: 'tiny/old/b/leaf', folder: await registry.adapter('blocked', { seed: 9 }) }],
    ] as const) {
      const refusal = await refuse(path, json);
      expect(refusal).toMatchObject({ status: 409, code: 'name_redirected' });
      expect(refusal.message).toContain('tiny/new/leaf');
      expect(refusal.message).toContain(`DELETE /api/v1/redirects/${redirect!.id}`);
    }
    await registry.call(`/redirects/${redirect!.id}`, 204, { method: 'DELETE' });
    expect(await registry.refusal(`/redirects/${redirect!.id}`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      code: 'redirect_not_found',
    });
    expect((await registry.refusal(at('tiny/old/b/leaf'))).code).toBe('path_not_found');
    expect(await create('tiny/old/b/leaf')).toMatchObject({ path: 'tiny/old/b/leaf' });
  });

  test('is taken back by the node that had it', async () => {
    await create('tiny/there');
    await act('tiny/there', 'move', { path: 'tiny/here' });
    await act('tiny/here', 'move', { path: 'tiny/there' });
    const found = (await redirects()).filter(({ node }) => node?.path === 'tiny/there');
    expect(found.map(({ path }) => path)).toEqual(['tiny/here']);
  });

  test('shows nothing of what lies outside of a subtree', async () => {
    for (const path of ['tiny/inner', 'tiny/inner/moves', 'tiny/inner/stays', 'tiny/outer']) await create(path);
    const key = await keyOf('tiny/inner');
    await act('tiny/inner/moves', 'move', { path: 'tiny/outer/secret' });
    const { body } = await registry.service.call<Page<RedirectDto>>('/api/v1/redirects', { key });
    expect(body.data).toEqual([expect.objectContaining({ path: 'tiny/inner/moves', node: null })]);
    const blocked = await registry.service.call('/api/v1/nodes', { key, json: { path: 'tiny/inner/moves' } });
    expect(blocked).toMatchObject({ status: 409, body: { error: { code: 'name_redirected' } } });
    expect(JSON.stringify(blocked.body)).not.toContain('outer');
    const lost = await registry.service.call('/api/v1/resolve?path=tiny/inner/moves', { key });
    expect(lost).toMatchObject({ status: 404, body: { error: { code: 'path_not_found' } } });
    const { id } = (await redirects('under=tiny/old'))[0] ?? (await redirects('under=tiny')).find(({ node }) => node)!;
    const foreign = await registry.service.call(`/api/v1/redirects/${id}`, { key, method: 'DELETE' });
    expect(foreign).toMatchObject({ status: 404, body: { error: { code: 'redirect_not_found' } } });
    const own = await registry.service.call(`/api/v1/redirects/${body.data[0]!.id}`, { key, method: 'DELETE' });
    expect(own.status).toBe(204);
  });
});

describe('an archived node', () => {
  beforeAll(async () => {
    await registry.push('tiny/box', { seed: 21 });
    await registry.push('tiny/box/in', { seed: 22, trainedOn: 1 });
    await registry.push('tiny/box/in/deep', { seed: 23, trainedOn: 1 });
  });

  test('is neither served, listed nor pushed to, with all that is below it, until it is restored', async () => {
    const before = await resolve('tiny/box/in/deep');
    expect(await act('tiny/box', 'archive')).toMatchObject({ archived: true });
    expect(await act('tiny/box', 'archive')).toMatchObject({ archived: true });
    for (const path of ['tiny/box', 'tiny/box/in/deep']) {
      expect(await registry.refusal(`/resolve?path=${path}`)).toMatchObject({ status: 409, code: 'node_archived' });
    }
    expect((await listed('')).filter((path) => path.startsWith('tiny/box'))).toEqual([]);
    expect(await listed('under=tiny/box/in')).toEqual([]);
    expect(await listed('under=tiny/box&archived=true')).toEqual(['tiny/box', 'tiny/box/in', 'tiny/box/in/deep']);
    const folder = await registry.adapter('archived', { seed: 29 });
    for (const path of ['tiny/box', 'tiny/box/in/deep', 'tiny/box/in/deep/made', 'tiny/box/made']) {
      const refusal = await refuse('/revisions', { path, folder });
      expect(refusal).toMatchObject({ status: 409, code: 'node_archived' });
    }
    expect(await refuse('/nodes', { path: 'tiny/box/in/made' })).toMatchObject({ code: 'node_archived' });
    await create('tiny/loose');
    expect(await refuse(at('tiny/loose', '/move'), { path: 'tiny/box/in/loose' })).toMatchObject({
      code: 'node_archived',
    });
    expect(await act('tiny/box', 'restore')).toMatchObject({ archived: false });
    expect((await resolve('tiny/box/in/deep')).digest).toBe(before.digest);
    expect(await listed('under=tiny/box/in')).toEqual(['tiny/box/in', 'tiny/box/in/deep']);
  });

  test('is changed only at the version that was seen', async () => {
    const { version } = await get('tiny/box/in');
    const headers = { 'if-match': `"${version - 1}"` };
    const stale = await registry.refusal(at('tiny/box/in', '/archive'), { json: {}, headers });
    expect(stale).toMatchObject({ status: 412, code: 'version_conflict' });
  });
});

describe('a deleted node', () => {
  test('goes with what is below it, if that is asked for, and comes back as it was', async () => {
    await registry.push('tiny/gone', { seed: 31 });
    await registry.push('tiny/gone/child', { seed: 32, trainedOn: 1 });
    await registry.push('tiny/gone/child', { seed: 33, trainedOn: 1 });
    await create('tiny/gone/child/leaf');
    await create('tiny/elsewhere');
    await act('tiny/gone/child/leaf', 'move', { path: 'tiny/elsewhere/leaf' });
    await act('tiny/elsewhere/leaf', 'move', { path: 'tiny/gone/leaf' });
    const node = await get('tiny/gone');
    const resolved = await resolve('tiny/gone/child@2');

    const refusal = await refuseRemoval('tiny/gone');
    expect(refusal).toMatchObject({ status: 409, code: 'node_has_children' });
    expect(refusal.message).toContain('2 nodes');
    const stale = { method: 'DELETE', headers: { 'if-match': '"1"' } };
    expect(await registry.refusal(at('tiny/gone', '?recursive=true'), stale)).toMatchObject({ status: 412 });

    expect(await remove('tiny/gone', '?recursive=true')).toMatchObject({ id: node.id, path: 'tiny/gone', nodes: 3 });
    expect((await listed('')).filter((path) => path.startsWith('tiny/gone'))).toEqual([]);
    expect((await registry.refusal(`/nodes/${node.id}`)).code).toBe('node_not_found');
    expect((await registry.refusal('/resolve?path=tiny/gone/child')).code).toBe('path_not_found');
    // Redirects that led into it are gone.
    expect((await redirects('under=tiny/elsewhere')).length).toBe(0);
    // Its name is free.
    await create('tiny/gone');
    expect(await refuse(`/nodes/${node.id}/undelete`)).toMatchObject({ status: 409, code: 'name_taken' });
    await act('tiny/gone', 'move', { path: 'tiny/squatter' });
    expect(await refuse(`/nodes/${node.id}/undelete`)).toMatchObject({ status: 409, code: 'name_redirected' });
    const [blocking] = (await redirects('under=tiny')).filter(({ path }) => path === 'tiny/gone');
    await registry.call(`/redirects/${blocking!.id}`, 204, { method: 'DELETE' });

    expect(await act(node.id, 'undelete')).toMatchObject({ path: 'tiny/gone', head: node.head, children: 2 });
    expect(await act(node.id, 'undelete')).toMatchObject({ path: 'tiny/gone' });
    expect((await resolve('tiny/gone/child@2')).digest).toBe(resolved.digest);
    expect((await registry.push('tiny/gone/child', { seed: 34, trainedOn: 1 })).number).toBe(3);
  });

  test('takes only those with it that were there, and they come back with it alone', async () => {
    await create('tiny/top');
    const early = await create('tiny/top/early');
    const late = await create('tiny/top/late');
    await remove('tiny/top/early');
    const top = await remove('tiny/top', '?recursive=true');
    expect(top.nodes).toBe(2);
    for (const id of [early.id, late.id]) {
      const refusal = await refuse(`/nodes/${id}/undelete`);
      expect(refusal).toMatchObject({ status: 409, code: 'deleted_above' });
      expect(refusal.message).toContain(top.id);
    }
    expect(await act(top.id, 'undelete')).toMatchObject({ children: 1 });
    expect(await act(early.id, 'undelete')).toMatchObject({ path: 'tiny/top/early' });
    expect(await refuse('/nodes/01ARZ3NDEKTSV4RRFFQ69G5FAV/undelete')).toMatchObject({ code: 'node_not_found' });
  });

  test('that others were trained on, and left by force, goes by force alone', async () => {
    await registry.push('tiny/teacher', { seed: 41 });
    await registry.push('tiny/teacher/pupil', { seed: 42, trainedOn: 1 });
    await registry.push('tiny/school', { seed: 43 });
    await act('tiny/teacher/pupil', 'move', { path: 'tiny/school/pupil', force: true });
    const served = await resolve('tiny/school/pupil');
    const refusal = await refuseRemoval('tiny/teacher');
    expect(refusal).toMatchObject({ status: 409, code: 'trained_on_elsewhere' });
    expect(refusal.message).toContain('"tiny/school/pupil"');
    await remove('tiny/teacher', '?force=true');
    expect((await resolve('tiny/school/pupil')).digest).toBe(served.digest);
    expect(await registry.get(at('tiny/school/pupil', '/revisions'))).toMatchObject({
      data: [{ trainedOn: { number: 1 } }],
    });
  });

  test('is no model', async () => {
    expect(await refuseRemoval('tiny', '?recursive=true&force=true')).toMatchObject({ status: 409, code: 'root_node' });
  });

  test('shows nothing to keys that were bound to it, and none comes back by keys of other subtrees', async () => {
    const bound = await create('tiny/bound');
    await create('tiny/bound/leaf');
    await create('tiny/stranger');
    const [key, stranger] = [await keyOf('tiny/bound'), await keyOf('tiny/stranger')];
    const leaf = await registry.service.call<DeletedNodeDto>(`/api/v1${at('tiny/bound/leaf')}`, {
      key,
      method: 'DELETE',
    });
    expect(leaf.status).toBe(200);
    const undelete = (id: string, by: string) =>
      registry.service.call(`/api/v1/nodes/${id}/undelete`, { key: by, method: 'POST' });
    expect(await undelete(leaf.body.id, stranger)).toMatchObject({ status: 404 });
    expect(await undelete(leaf.body.id, key)).toMatchObject({ status: 200, body: { path: 'tiny/bound/leaf' } });

    await remove('tiny/bound', '?recursive=true');
    const list = await registry.service.call('/api/v1/nodes', { key });
    expect(list).toMatchObject({ status: 200, body: { data: [], nextCursor: null } });
    for (const path of [`/nodes/${bound.id}`, '/nodes/tiny%2Fbound', '/resolve?path=tiny/bound']) {
      expect((await registry.service.call(`/api/v1${path}`, { key })).status).toBe(404);
    }
    expect(await undelete(bound.id, key)).toMatchObject({ status: 404 });
    expect(await act(bound.id, 'undelete')).toMatchObject({ path: 'tiny/bound' });
    expect((await registry.service.call('/api/v1/nodes', { key })).body).toMatchObject({
      data: [{ path: 'tiny/bound' }, {}],
    });
  });
});
