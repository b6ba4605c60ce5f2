/** Two instances on one PostgreSQL database and one folder of blobs. Needs ESPALIER_TEST_DATABASE_URL. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { onPostgres } from './support/postgres.js';
import { until } from './support/processes.js';
import type { TestService } from './support/service.js';
import type { TcpRelay } from './support/tcp-relay.js';
import type { TinyRegistry } from './support/tiny-registry.js';
import { TwoInstances } from './support/two-instances.js';

jest.setTimeout(180_000);

/** What one instance has acknowledged, the other resolves within a second. */
const SOON_MS = 1_000;

(onPostgres ? describe : describe.skip)('two instances on one database', () => {
  let both: TwoInstances;
  let relay: TcpRelay;
  let first: TinyRegistry;
  let second: TestService;
  let key: string;

  beforeAll(async () => {
    both = await TwoInstances.start();
    ({ relay, first, second, key } = both);
  });
  afterAll(() => both.remove());

  const headOn = async (service: TestService, path: string): Promise<number | null> => {
    const { body, status } = await service.call<NodeDto>(`/api/v1/nodes/${encodeURIComponent(path)}`, { key });
    return status === 200 ? (body.head?.number ?? null) : null;
  };
  const resolvedOn = async (service: TestService, path: string): Promise<number[] | string> => {
    const { body, status } = await service.call<{
      steps: { revision: { number: number } | null }[];
      error: { code: string };
    }>(`/api/v1/resolve?path=${encodeURIComponent(path)}`, { key });
    return status === 200 ? body.steps.map(({ revision }) => revision?.number ?? 0) : body.error.code;
  };
  const soon = async (what: () => Promise<boolean>): Promise<void> => {
    const began = Date.now();
    await until(what);
    expect(Date.now() - began).toBeLessThanOrEqual(SOON_MS);
  };

  it('merge a path that was pinned on either, and let go of it', async () => {
    await first.push('tiny/merged');
    const merge = '/api/v1/merges/tiny%2Fmerged';
    const stateOn = async (service: TestService) => {
      const { status, body } = await service.call<{ state: string }>(merge, { key });
      return status === 200 ? body.state : status;
    };
    await first.post('/merges', { path: 'tiny/merged' }, 201);
    for (const service of [first.service, second]) await until(async () => (await stateOn(service)) === 'ready');
    expect((await second.call(merge, { key, method: 'DELETE' })).status).toBe(200);
    expect(await stateOn(second)).toBe(404);
    await until(async () => (await stateOn(first.service)) === 404);
  });

  it('keep the head of a node in memory that was pinned on either, and let go of it', async () => {
    await first.push('tiny/kept');
    const pinnedBytes = async (service: TestService): Promise<number> => {
      const { body } = await service.call<string>('/metrics', { key });
      return Number(/^espalier_adapter_pinned_bytes (\d+)$/m.exec(body)?.[1]);
    };
    // Loads the model, with which nobody can talk: it has no tokenizer.
    await first.post('/merges', { path: 'tiny/kept:0.5' }, 201);
    await first.post('/nodes/tiny%2Fkept/pin', {});
    for (const service of [first.service, second]) await until(async () => (await pinnedBytes(service)) > 0);
    expect((await second.call('/api/v1/nodes/tiny%2Fkept/unpin', { key, method: 'POST' })).status).toBe(200);
    for (const service of [second, first.service]) await until(async () => (await pinnedBytes(service)) === 0);
  });

  it('see what the other has committed within a second', async () => {
    await first.push('tiny/a');
    await first.push('tiny/a', { seed: 2 });
    expect(await resolvedOn(first.service, 'tiny/a')).toEqual([1]);
    await soon(async () => JSON.stringify(await resolvedOn(second, 'tiny/a@2')) === '[2]');
    await first.post('/nodes/tiny%2Fa/promote', { revision: 2 });
    expect(await resolvedOn(first.service, 'tiny/a')).toEqual([2]);
    await soon(async () => (await headOn(second, 'tiny/a')) === 2);
    // And the other way round, over a node that the second makes.
    const made = await second.call('/api/v1/nodes', { key, json: { path: 'tiny/made' } });
    expect(made.status).toBe(201);
    expect(await resolvedOn(second, 'tiny/made')).toEqual([0]);
    await soon(async () => typeof (await resolvedOn(first.service, 'tiny/made')) !== 'string');
    await first.post('/nodes/tiny%2Fmade/move', { path: 'tiny/a/moved' });
    await soon(async () => typeof (await resolvedOn(second, 'tiny/a/moved')) !== 'string');
  });

  it('write in turns, so that numbers have no gaps and one of two writers wins', async () => {
    const node = await first.post<NodeDto>('/nodes', { path: 'tiny/shared' }, 201);
    await until(async () => typeof (await resolvedOn(second, 'tiny/shared')) !== 'string');
    const folders = await Promise.all(
      Array.from({ length: 8 }, (_, i) => first.adapter(`shared-${i}`, { seed: 50 + i })),
    );
    const pushed = await Promise.all(
      folders.map((folder, i) =>
        (i % 2 === 0 ? first.service : second).call<{ number: number }>('/api/v1/revisions', {
          key,
          json: { path: 'tiny/shared', folder },
        }),
      ),
    );
    expect(pushed.map(({ body }) => body.number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const { body: seen } = await first.service.call<NodeDto>(`/api/v1/nodes/${node.id}`, { key });
    const promoted = await Promise.all(
      [first.service, second].map((service, i) =>
        service.call(`/api/v1/nodes/${node.id}/promote`, {
          key,
          json: { revision: i + 2 },
          headers: { 'if-match': `"${seen.version}"` },
        }),
      ),
    );
    expect(promoted.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 412]);
  });

  it('hear of a revoked key within a second', async () => {
    const made = await first.post<NewKeyDto>('/keys', { name: 'leaver', scopes: ['read'] }, 201);
    const status = async (): Promise<number> => (await second.call('/api/v1/nodes', { key: made.key })).status;
    await soon(async () => (await status()) === 200);
    await first.post(`/keys/${made.id}/revoke`, undefined);
    await soon(async () => (await status()) === 401);
  });

  it('read what they missed once the database is back', async () => {
    await relay.cut();
    expect(await second.call('/api/v1/nodes', { key, json: { path: 'tiny/late' } })).toMatchObject({
      status: 503,
      body: { error: { code: 'database_unavailable' } },
    });
    await first.post('/nodes/tiny%2Fa/promote', { revision: 1 });
    await first.post('/nodes', { path: 'tiny/meanwhile' }, 201);
    // Serving goes on, from what was known when the line was cut.
    expect(await resolvedOn(second, 'tiny/a')).toEqual([2]);
    await relay.open();
    await until(async () => JSON.stringify(await resolvedOn(second, 'tiny/a')) === '[1]');
    expect(await resolvedOn(second, 'tiny/meanwhile')).toEqual([0]);
    expect((await second.call('/api/v1/nodes', { key, json: { path: 'tiny/late' } })).status).toBe(201);
  });
});
