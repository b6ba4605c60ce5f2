/** What one of two instances moves, puts away, deletes and brings back, the other follows: also what it missed. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { RedirectDto } from '../../src/registry/places/redirect.dto.js';
import { onPostgres } from './support/postgres.js';
import { until } from './support/processes.js';
import type { TestService } from './support/service.js';
import { TwoInstances } from './support/two-instances.js';

jest.setTimeout(180_000);

(onPostgres ? describe : describe.skip)('two instances', () => {
  let both: TwoInstances;
  beforeAll(async () => {
    both = await TwoInstances.start();
  });
  afterAll(() => both.remove());

  const at = (node: string, rest = '') => `/nodes/${encodeURIComponent(node)}${rest}`;
  const create = (path: string) => both.first.post<NodeDto>('/nodes', { path }, 201);
  const move = (from: string, to: string) => both.first.post<NodeDto>(at(from, '/move'), { path: to, force: true });
  const remove = (node: string) =>
    both.first.call<{ id: string }>(at(node, '?recursive=true&force=true'), 200, { method: 'DELETE' });

  /** All that an instance says of the tree, and what some paths mean to it. */
  async function told(service: TestService, paths: readonly string[]) {
    const { key } = both;
    const nodes = await service.call<Page<NodeDto>>('/api/v1/nodes?archived=true&limit=1000', { key });
    const redirects = await service.call<Page<RedirectDto>>('/api/v1/redirects?limit=1000', { key });
    const resolved = await Promise.all(
      paths.map(async (path) => (await service.call<ResolutionDto>(`/api/v1/resolve?path=${path}`, { key })).body),
    );
    return JSON.stringify([nodes.body.data, redirects.body.data, resolved]);
  }

  const agree = async (paths: readonly string[]) => {
    const first = await told(both.first.service, paths);
    await until(async () => (await told(both.second, paths)) === first);
  };

  it('agree on every place after each change', async () => {
    for (const path of ['tiny/a', 'tiny/b', 'tiny/a/leaf']) await create(path);
    await both.first.push('tiny/a/leaf/one', { seed: 1 });
    await both.first.push('tiny/a/leaf/one', { seed: 2 });
    await both.first.call(at('tiny/a/leaf/one', '/aliases/stable'), 201, { method: 'PUT', json: { revision: 2 } });
    const paths = ['tiny/a/leaf/one', 'tiny/a/leaf/one@stable', 'tiny/b/leaf/one'];
    await agree(paths);
    await move('tiny/a/leaf', 'tiny/b/leaf');
    await agree(paths);
    await both.first.post(at('tiny/b', '/archive'), {});
    await agree(paths);
    await both.first.post(at('tiny/b', '/restore'), {});
    const { id } = await remove('tiny/b');
    await agree(paths);
    await both.first.post(at(id, '/undelete'), {});
    await agree(paths);
    await both.first.call(at('tiny/b/leaf/one'), 200, { method: 'DELETE' });
    await agree(paths);
  });

  it('agree on what one of them missed, whatever order it happened in', async () => {
    for (const path of ['tiny/x', 'tiny/x/in', 'tiny/y', 'tiny/gone', 'tiny/back']) await create(path);
    await both.first.push('tiny/x/in/deep', { seed: 11 });
    await both.first.push('tiny/gone/with', { seed: 12 });
    await both.first.push('tiny/back/with', { seed: 13 });
    const paths = ['tiny/x/in/deep', 'tiny/y/in/deep', 'tiny/x', 'tiny/back/with@2', 'tiny/gone/with'];
    await agree(paths);

    await both.relay.cut();
    // What leaves a node that then goes, stays; and its name is another's.
    await move('tiny/x/in', 'tiny/y/in');
    await remove('tiny/x');
    await create('tiny/x');
    // What comes to one that then goes, goes.
    await move('tiny/y/in/deep', 'tiny/gone/deep');
    await both.first.push('tiny/gone/deep', { seed: 14 });
    await remove('tiny/gone');
    // What went and came back has changed since.
    const { id } = await remove('tiny/back');
    await both.first.post(at(id, '/undelete'), {});
    await both.first.push('tiny/back/with', { seed: 15 });
    await both.relay.open();
    await agree(paths);
    expect((await both.second.call(`/api/v1/nodes?limit=1000`, { key: both.key })).status).toBe(200);
  });

  it('keep an old name from others, whichever they ask', async () => {
    await create('tiny/held');
    await move('tiny/held', 'tiny/free');
    const json = { path: 'tiny/held' };
    const refused = await both.second.call('/api/v1/nodes', { key: both.key, json });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'name_redirected' } } });
    const { body } = await both.second.call<Page<RedirectDto>>('/api/v1/redirects?under=tiny', { key: both.key });
    const held = body.data.find(({ path }) => path === 'tiny/held');
    await both.second.call(`/api/v1/redirects/${held?.id ?? ''}`, { key: both.key, method: 'DELETE' });
    await create('tiny/held');
  });
});
