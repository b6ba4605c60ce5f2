/** API keys from their making to their end, through HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyDto, NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

describe('API keys', () => {
  let registry: TinyRegistry;

  beforeAll(async () => {
    registry = await TinyRegistry.start();
    await registry.push('tiny/a');
    await registry.push('tiny/b');
    await registry.push('tiny/a/x', { trainedOn: 1 });
  }, 120_000);
  afterAll(() => registry.remove());

  const make = (body: object): Promise<NewKeyDto> => registry.post<NewKeyDto>('/keys', body, 201);
  const status = async (key: string, path = '/api/v1/nodes'): Promise<number> =>
    (await registry.service.call(path, { key })).status;

  it('are shown once, and kept as a hash alone', async () => {
    const made = await make({ name: 'reader', scopes: ['read'] });
    expect(made.key.startsWith(`${made.prefix}_`)).toBe(true);
    expect(await status(made.key)).toBe(200);
    const shown = await registry.get<KeyDto>(`/keys/${made.id}`);
    expect(JSON.stringify(shown)).not.toContain(made.key);
    expect(shown).toMatchObject({ name: 'reader', scopes: ['read'], subtree: null, version: 1, revokedAt: null });
    const { data } = await registry.get<{ data: KeyDto[] }>('/keys');
    expect(data.map(({ name }) => name)).toEqual(expect.arrayContaining(['admin', 'infer', 'reader']));
  });

  it('are refused where their scopes do not reach', async () => {
    const { key } = await make({ name: 'writer', scopes: ['write'] });
    expect(await status(key)).toBe(200);
    const refused = await registry.refusal('/nodes/tiny%2Fa/promote', { key, json: { revision: 1 } });
    expect(refused).toMatchObject({ status: 403, code: 'missing_scope' });
    expect(await registry.refusal('/keys', { key })).toMatchObject({ status: 403, code: 'missing_scope' });
  });

  it('say when they were last used', async () => {
    const made = await make({ name: 'used', scopes: ['read'] });
    expect(made.lastUsedAt).toBeNull();
    await status(made.key);
    expect((await registry.get<KeyDto>(`/keys/${made.id}`)).lastUsedAt).not.toBeNull();
  });

  it('hold no longer than they may', async () => {
    const soon = new Date(Date.now() + 1_000).toISOString();
    const { key } = await make({ name: 'short', scopes: ['read'], expiresAt: soon });
    expect(await status(key)).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await registry.refusal('/nodes', { key })).toMatchObject({ status: 401, code: 'api_key_expired' });
  });

  it('are revoked at once and for good', async () => {
    const { id, key } = await make({ name: 'leaver', scopes: ['read'] });
    expect(await status(key)).toBe(200);
    const revoked = await registry.post<KeyDto>(`/keys/${id}/revoke`, undefined);
    expect(revoked.revokedAt).not.toBeNull();
    expect(await registry.refusal('/nodes', { key })).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect((await registry.post<KeyDto>(`/keys/${id}/revoke`, undefined)).revokedAt).toBe(revoked.revokedAt);
    const change = await registry.refusal(`/keys/${id}`, { method: 'PATCH', json: { name: 'again' } });
    expect(change).toMatchObject({ status: 409, code: 'api_key_revoked' });
  });

  it('are rotated with an overlap, or without one', async () => {
    const first = await make({ name: 'rotating', scopes: ['read'], requestsPerMinute: 5000 });
    const second = await registry.post<NewKeyDto>(`/keys/${first.id}/rotate`, { overlapSeconds: 60 }, 201);
    expect(second).toMatchObject({ name: 'rotating', scopes: ['read'], requestsPerMinute: 5000 });
    expect([await status(first.key), await status(second.key)]).toEqual([200, 200]);
    const third = await registry.post<NewKeyDto>(`/keys/${second.id}/rotate`, {}, 201);
    expect([await status(second.key), await status(third.key)]).toEqual([401, 200]);
  });

  it('change only as they were seen', async () => {
    const { id } = await make({ name: 'changing', scopes: ['read'] });
    const patch = (json: object, version: string) =>
      registry.service.call<KeyDto>(`/api/v1/keys/${id}`, { method: 'PATCH', json, headers: { 'if-match': version } });
    const changed = await patch({ scopes: ['infer', 'read'] }, '"1"');
    expect(changed).toMatchObject({ status: 200, body: { scopes: ['infer', 'read'], version: 2 } });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect(await patch({ name: 'late' }, '"1"')).toMatchObject({
      status: 412,
      body: { error: { code: 'version_conflict', details: { current: { name: 'changing', version: 2 } } } },
    });
  });

  it('never leave nobody who can make others', async () => {
    const { data } = await registry.get<{ data: KeyDto[] }>('/keys');
    const admin = data.find(({ name }) => name === 'admin')!;
    const last = { status: 409, code: 'last_admin_key' };
    expect(await registry.refusal(`/keys/${admin.id}/revoke`, { method: 'POST' })).toMatchObject(last);
    const demote = { method: 'PATCH', json: { scopes: ['read'] } };
    expect(await registry.refusal(`/keys/${admin.id}`, demote)).toMatchObject(last);
  });

  describe('bound to a subtree', () => {
    it('stay with the node when it moves', async () => {
      const { key } = await make({ name: 'a only', scopes: ['read', 'write'], subtree: 'tiny/a' });
      const paths = async (): Promise<string[]> => {
        const { body } = await registry.service.call<{ data: { path: string }[] }>('/api/v1/nodes', { key });
        return body.data.map(({ path }) => path);
      };
      expect(await paths()).toEqual(['tiny/a', 'tiny/a/x']);
      await registry.post('/nodes/tiny%2Fa/move', { path: 'tiny/alpha' });
      expect(await paths()).toEqual(['tiny/alpha', 'tiny/alpha/x']);
      expect(await status(key, '/api/v1/nodes/tiny%2Fb')).toBe(404);
      expect(await status(key, '/api/v1/nodes/tiny')).toBe(404);
      await registry.post('/nodes/tiny%2Falpha/move', { path: 'tiny/a2' });
    });

    it('manage those alone that are bound within it', async () => {
      const admin = await make({ name: 'a admin', scopes: ['admin'], subtree: 'tiny/a2' });
      const inner = await registry.call<NewKeyDto>('/keys', 201, {
        key: admin.key,
        json: { name: 'x reader', scopes: ['read'], subtree: 'tiny/a2/x' },
      });
      const { data } = await registry.call<{ data: KeyDto[] }>('/keys', 200, { key: admin.key });
      expect(data.every(({ subtree }) => subtree?.path?.startsWith('tiny/a2') === true)).toBe(true);
      expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining([admin.id, inner.id]));
      const refused = (json: object) => registry.refusal('/keys', { key: admin.key, json });
      expect(await refused({ name: 'all', scopes: ['read'] })).toMatchObject({ status: 403, code: 'subtree_key' });
      expect(await refused({ name: 'b', scopes: ['read'], subtree: 'tiny/b' })).toMatchObject({
        status: 404,
        code: 'path_not_found',
      });
      const importing = { key: admin.key, json: { name: 'other', folder: registry.folder } };
      expect(await registry.refusal('/models', importing)).toMatchObject({ status: 403, code: 'subtree_key' });
    });

    it('see what lies above by name and number alone, and take it as it is', async () => {
      const { key } = await make({ name: 'x', scopes: ['read'], subtree: 'tiny/a2/x' });
      const resolved = await registry.call('/resolve?path=tiny/a2/x', 200, { key });
      expect(resolved).toMatchObject({
        model: { id: null, name: 'tiny', digest: null },
        steps: [
          { node: { id: null, path: 'tiny/a2' }, revision: { id: null, number: 1, digest: null, bytes: null } },
          { node: { id: expect.any(String), path: 'tiny/a2/x' }, revision: { id: expect.any(String) } },
        ],
      });
      for (const path of ['tiny/a2:0.5/x', 'tiny/a2@1/x']) {
        expect(await registry.refusal(`/resolve?path=${path}`, { key })).toMatchObject({
          status: 403,
          code: 'ancestor_override',
        });
      }
    });
  });
});
