/** The places of a tree: made, listed, moved, switched off; and which revision they serve. */
import { jest } from '@jest/globals';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
}, 130_000);
afterAll(() => registry.remove());

const create = (path: string, policy?: string) => registry.post<NodeDto>('/nodes', { path, policy }, 201);
const node = (path: string) => registry.get<NodeDto>(`/nodes/${encodeURIComponent(path)}`);
const act = (path: string, what: string, json: object = {}) =>
  registry.post<NodeDto>(`/nodes/${encodeURIComponent(path)}/${what}`, json);
const refuse = (path: string, what: string, json: object = {}) =>
  registry.refusal(`/nodes/${encodeURIComponent(path)}/${what}`, { json });
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);
const chosen = async (path: string) => (await resolve(path)).steps.map(({ revision }) => revision?.number ?? null);

async function listed(query: string, limit = 100): Promise<string[]> {
  const paths: string[] = [];
  for (let cursor = ''; ;) {
    const page = await registry.get<Page<NodeDto>>(`/nodes?limit=${limit}&${query}${cursor}`);
    paths.push(...page.data.map(({ path }) => path));
    if (page.nextCursor === null) return paths;
    expect(page.data).toHaveLength(limit);
    cursor = `&cursor=${page.nextCursor}`;
  }
}

describe('a node', () => {
  test('is made under a parent, and found by id and by path', async () => {
    const made = await create('tiny/places', 'follow');
    expect(made).toMatchObject({ path: 'tiny/places', parent: 'tiny', policy: 'follow', head: null, revisions: 0 });
    expect(await node('tiny/places')).toEqual(made);
    expect(await registry.get(`/nodes/${made.id}`)).toEqual(made);
  });

  test.each([
    ['tiny/places', 409, 'name_taken'],
    ['tiny/missing/deeper', 404, 'path_not_found'],
    ['tiny', 409, 'root_node'],
    ['tiny/Upper', 400, 'invalid_path'],
    ['tiny/a:0.5', 400, 'invalid_path'],
    ['tiny/a@1', 400, 'invalid_path'],
    ['tiny//a', 400, 'invalid_path'],
    ['tiny/' + 'a'.repeat(65), 400, 'invalid_path'],
    ['tiny' + '/x'.repeat(40), 400, 'invalid_path'],
  ])('is not made at %s', async (path, status, code) => {
    expect(await registry.refusal('/nodes', { json: { path } })).toMatchObject({ status, code });
  });

  test('that does not exist is answered with the nearest names', async () => {
    await create('tiny/places/harbour');
    const { status, code, message } = await registry.refusal('/nodes/tiny%2Fplaces%2Fharbor');
    expect({ status, code }).toEqual({ status: 404, code: 'path_not_found' });
    expect(message).toContain('tiny/places/harbour');
  });

  test('changes its policy, but the root has none to change', async () => {
    const patch = { method: 'PATCH', json: { policy: 'pinned' } };
    expect(await registry.call('/nodes/tiny%2Fplaces', 200, patch)).toMatchObject({ policy: 'pinned' });
    expect(await registry.refusal('/nodes/tiny', patch)).toMatchObject({ code: 'root_node' });
  });
});

describe('a listing', () => {
  test('goes down the tree by name, in pages of any size', async () => {
    for (const path of ['b', 'b/z', 'b/a', 'b/a/k', 'a', 'b-1', 'a/9']) await create(`tiny/places/harbour/${path}`);
    const under = 'tiny/places/harbour';
    const all = ['', '/a', '/a/9', '/b', '/b/a', '/b/a/k', '/b/z', '/b-1'].map((rest) => under + rest);
    for (const limit of [2, 7, 8, 9]) {
      const found = await listed(`under=${encodeURIComponent(under)}`, limit);
      expect(found.toSorted()).toEqual(all.toSorted());
      // Each after its parent.
      for (const path of found.slice(1)) {
        expect(found.indexOf(path.slice(0, path.lastIndexOf('/')))).toBeLessThan(found.indexOf(path));
        expect(found).toContain(path.slice(0, path.lastIndexOf('/')));
      }
    }
    expect(await listed('', 3)).toEqual(await listed(''));
    expect(await listed('')).toEqual(expect.arrayContaining(['tiny', ...all]));
  });

  test.each([['limit=0'], ['limit=x'], ['limit=1001'], ['under=tiny%2Fnothing'], ['sort=name']])(
    'refuses %s',
    async (query) => {
      expect((await registry.refusal(`/nodes?${query}`)).status).toBeGreaterThanOrEqual(400);
    },
  );
});

describe('heads', () => {
  test('go to the first revision, by promotion to others, and back through their history', async () => {
    const path = 'tiny/heads';
    for (const seed of [1, 2, 3]) await registry.push(path, { seed });
    expect(await node(path)).toMatchObject({ head: { number: 1 }, revisions: 3 });
    await act(path, 'promote', { revision: 2 });
    const byId = (await node(path)).head!.id;
    expect(await act(path, 'promote', { revision: '3' })).toMatchObject({ head: { number: 3 } });
    expect(await act(path, 'promote', { revision: 3 })).toMatchObject({ head: { number: 3 } });
    expect(await act(path, 'rollback')).toMatchObject({ head: { number: 2, id: byId } });
    expect(await act(path, 'rollback')).toMatchObject({ head: { number: 1 } });
    expect(await refuse(path, 'rollback')).toMatchObject({ status: 409, code: 'nothing_to_roll_back' });
    expect(await act(path, 'promote', { revision: byId })).toMatchObject({ head: { number: 2 } });
    expect(await act(path, 'rollback')).toMatchObject({ head: { number: 1 } });
    expect(await refuse(path, 'promote', { revision: 4 })).toMatchObject({ status: 404, code: 'revision_not_found' });
    expect(await refuse('tiny', 'rollback')).toMatchObject({ code: 'nothing_to_roll_back' });
  });

  test('that move on make children stale, which stay pinned until they follow', async () => {
    await registry.push('tiny/stale', { seed: 11 });
    await registry.push('tiny/stale/child', { seed: 12, trainedOn: 1 });
    await registry.push('tiny/stale/child/grandchild', { seed: 13, trainedOn: 1 });
    await registry.push('tiny/stale', { seed: 14 });
    await act('tiny/stale', 'promote', { revision: 2 });
    expect(await node('tiny/stale')).toMatchObject({ stale: false });
    expect(await node('tiny/stale/child')).toMatchObject({ stale: true });
    expect(await node('tiny/stale/child/grandchild')).toMatchObject({ stale: true });
    const pinned = await resolve('tiny/stale/child/grandchild');
    expect(pinned.steps.map(({ revision, reason, stale }) => [revision?.number, reason, stale])).toEqual([
      [1, 'pinned', false],
      [1, 'pinned', true],
      [1, 'head', true],
    ]);
    await registry.call('/nodes/tiny%2Fstale%2Fchild', 200, { method: 'PATCH', json: { policy: 'follow' } });
    const following = await resolve('tiny/stale/child/grandchild');
    expect(following.steps.map(({ revision, reason }) => [revision?.number, reason])).toEqual([
      [2, 'follow'],
      [1, 'pinned'],
      [1, 'head'],
    ]);
    expect(following.digest).not.toBe(pinned.digest);
  });
});

describe('a move', () => {
  beforeAll(async () => {
    await registry.push('tiny/left', { seed: 21 });
    await registry.push('tiny/right', { seed: 22 });
    await registry.push('tiny/left/leaf', { seed: 23, trainedOn: 1 });
    await create('tiny/left/leaf/empty');
    await create('tiny/empty');
    await create('tiny/empty/inner');
    await create('tiny/void');
  });

  test('to another name keeps the sum', async () => {
    const before = await resolve('tiny/left/leaf');
    await act('tiny/left/leaf', 'move', { path: 'tiny/left/foliage' });
    expect((await resolve('tiny/left/foliage')).digest).toBe(before.digest);
    expect(await resolve('tiny/left/leaf')).toMatchObject({
      path: 'tiny/left/foliage',
      redirectedFrom: 'tiny/left/leaf',
      digest: before.digest,
    });
    expect(await act('tiny/left/leaf', 'move', { path: 'tiny/left/leaf' })).toMatchObject({ detached: false });
    expect(await resolve('tiny/left/leaf')).toMatchObject({ path: 'tiny/left/leaf', redirectedFrom: null });
  });

  test('under other adapters is refused, and forced it follows them until the next revision', async () => {
    const refusal = await refuse('tiny/left/leaf', 'move', { path: 'tiny/right/leaf' });
    expect(refusal).toMatchObject({ status: 409, code: 'move_changes_sums' });
    expect(await chosen('tiny/left/leaf')).toEqual([1, 1]);

    const moved = await act('tiny/left/leaf', 'move', { path: 'tiny/right/leaf', force: true });
    expect(moved).toMatchObject({ path: 'tiny/right/leaf', policy: 'follow', detached: true });
    expect((await resolve('tiny/right/leaf')).steps[0]).toMatchObject({
      node: { path: 'tiny/right' },
      reason: 'follow',
    });
    const pin = { method: 'PATCH', json: { policy: 'pinned' } };
    expect(await registry.refusal('/nodes/tiny%2Fright%2Fleaf', pin)).toMatchObject({ code: 'node_detached' });

    await registry.push('tiny/right/leaf', { seed: 24, trainedOn: 1 });
    expect(await node('tiny/right/leaf')).toMatchObject({ detached: false, policy: 'follow', head: { number: 1 } });
    expect(await registry.call('/nodes/tiny%2Fright%2Fleaf', 200, pin)).toMatchObject({ policy: 'pinned' });
    expect(await chosen('tiny/right/leaf@2')).toEqual([1, 2]);
  });

  test('of an empty node, or among empty ones, needs no force', async () => {
    expect(await act('tiny/right/leaf/empty', 'move', { path: 'tiny/left/empty' })).toMatchObject({ detached: false });
    await registry.push('tiny/empty/inner', { seed: 25 });
    const before = await resolve('tiny/empty/inner');
    await act('tiny/empty/inner', 'move', { path: 'tiny/void/inner' });
    expect((await resolve('tiny/void/inner')).digest).toBe(before.digest);
    const refusal = await refuse('tiny/void', 'move', { path: 'tiny/left/void' });
    expect(refusal).toMatchObject({ code: 'move_changes_sums' });
    expect(refusal.message).toContain('tiny/void/inner');
  });

  test.each([
    ['tiny/right', 'tiny/right/leaf/below', 'node_cycle'],
    ['tiny/right', 'tiny/right/right', 'node_cycle'],
    ['tiny/right', 'tiny/left', 'name_taken'],
    ['tiny/right', 'tiny/nowhere/right', 'path_not_found'],
    ['tiny/right', 'tiny', 'root_node'],
    ['tiny', 'tiny/left/tiny', 'root_node'],
  ])('of %s to %s is refused', async (from, to, code) => {
    expect(await refuse(from, 'move', { path: to, force: true })).toMatchObject({ code });
  });

  test('out of its model is refused', async () => {
    await registry.post('/models', { name: 'twin', folder: `${registry.folder}/tiny` }, 201);
    const refusal = await refuse('tiny/right', 'move', { path: 'twin/right', force: true });
    expect(refusal).toMatchObject({ status: 409, code: 'tree_structure' });
  });
});

test('a disabled node serves nothing at or below it, until it is enabled', async () => {
  await registry.push('tiny/off', { seed: 31 });
  await registry.push('tiny/off/below', { seed: 32, trainedOn: 1 });
  expect(await act('tiny/off', 'disable')).toMatchObject({ disabled: true });
  expect(await act('tiny/off', 'disable')).toMatchObject({ disabled: true });
  for (const path of ['tiny/off', 'tiny/off/below']) {
    const refusal = await registry.refusal(`/resolve?path=${path}`);
    expect(refusal).toMatchObject({ status: 409, code: 'node_disabled' });
  }
  const served = async () => {
    const { body } = await registry.service.call<{ data: { id: string }[] }>('/v1/models?limit=1000');
    return body.data.map(({ id }) => id);
  };
  expect(await served()).toContain('tiny');
  expect((await served()).filter((id) => id.startsWith('tiny/off'))).toEqual([]);
  await act('tiny/off', 'enable');
  expect(await chosen('tiny/off/below')).toEqual([1, 1]);
  expect(await served()).toContain('tiny/off/below');
});
