/** Collection of garbage: what it removes, what it never does, also while others push. */
import { jest } from '@jest/globals';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '../../src/registry/dto/page.js';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { GcReport } from '../../src/registry/gc/gc.dto.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import type { DeletedNodeDto } from '../../src/registry/places/removal.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
}, 130_000);
afterAll(() => registry.remove());

const collect = (body: object) => registry.post<GcReport>('/gc', body);
const remove = (path: string) =>
  registry.call<DeletedNodeDto>(`/nodes/${encodeURIComponent(path)}?recursive=true`, 200, { method: 'DELETE' });

async function blobs(): Promise<string[]> {
  const names = await readdir(join(registry.service.dataFolder, 'blobs'), { recursive: true });
  return names.map((name) => name.split('/').at(-1) ?? '').filter((name) => /^[0-9a-f]{64}$/.test(name));
}

test('of a deleted node, the revisions go once the grace period is over, and not before', async () => {
  await registry.push('tiny/kept', { seed: 1 });
  await registry.push('tiny/gone', { seed: 2 });
  await registry.push('tiny/gone/below', { seed: 3, trainedOn: 1 });
  // The same bytes as those of another node.
  await registry.push('tiny/gone/twin', { seed: 1 });
  const before = await blobs();
  const { id } = await remove('tiny/gone');

  expect(await collect({})).toMatchObject({
    dryRun: false,
    graceSeconds: 604_800,
    revisions: { purged: 0 },
    blobs: { removed: 0, removedBytes: 0, kept: before.length },
  });
  const dry = await collect({ dryRun: true, graceSeconds: 0 });
  expect(dry).toMatchObject({ dryRun: true, revisions: { purged: 3 }, blobs: { removed: 2 }, models: { removed: 0 } });
  expect((await blobs()).toSorted()).toEqual(before.toSorted());

  const wet = await collect({ graceSeconds: 0 });
  expect(wet).toEqual({ ...dry, dryRun: false });
  expect(wet.blobs.removedBytes).toBeGreaterThan(1000);
  expect(await blobs()).toHaveLength(before.length - 2);
  expect(await registry.refusal(`/nodes/${id}/undelete`, { json: {} })).toMatchObject({
    status: 410,
    code: 'node_purged',
  });
  expect(await collect({ graceSeconds: 0 })).toMatchObject({ revisions: { purged: 0 }, blobs: { removed: 0 } });

  const config = await registry.get('/nodes/tiny%2Fkept/revisions');
  expect(config).toMatchObject({ data: [{ number: 1 }] });
  // What was taken can be pushed again.
  expect(await registry.push('tiny/gone', { seed: 2 })).toMatchObject({ number: 1, unchanged: false });
});

test('what no row knows goes when it is old', async () => {
  const { dataFolder } = registry.service;
  const [blob, model] = ['a'.repeat(64), 'b'.repeat(64)];
  const blobFile = join(dataFolder, 'blobs/aa', blob);
  const modelFolder = join(dataFolder, 'models', model);
  await mkdir(join(dataFolder, 'blobs/aa'), { recursive: true });
  await writeFile(blobFile, 'of a push that died');
  await mkdir(modelFolder);
  await writeFile(join(modelFolder, 'config.json'), '{}');
  const halfMade = join(dataFolder, 'blobs/tmp', 'of-nobody.x.tmp');
  await writeFile(halfMade, 'half');

  expect(await collect({ graceSeconds: 3600 })).toMatchObject({ blobs: { removed: 0 }, models: { removed: 0 } });
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  for (const path of [blobFile, modelFolder, halfMade]) await utimes(path, longAgo, longAgo);
  expect(await collect({ graceSeconds: 3600 })).toMatchObject({
    blobs: { removed: 1, removedBytes: 19 },
    models: { removed: 1, removedBytes: 2 },
    temporary: { removed: 1 },
  });
  expect(await blobs()).not.toContain(blob);
  expect(await readdir(join(dataFolder, 'models'))).toHaveLength(1);
  expect(await readdir(join(dataFolder, 'blobs/tmp'))).toEqual([]);
});

test('every revision of a push keeps its bytes, however often garbage is collected meanwhile', async () => {
  let pushing = true;
  const collecting = (async () => {
    let rounds = 0;
    for (; pushing; rounds++) await collect({ graceSeconds: 0 });
    return rounds;
  })();
  const codes = new Set<string>();
  await Promise.all(
    [0, 1, 2].map(async (client) => {
      for (let i = 0; i < 12; i++) {
        const seed = 100 + client * 12 + i;
        const folder = await registry.adapter(`busy-${seed}`, { seed });
        const answer = await registry.pushFolder({ path: `tiny/busy-${client}`, folder });
        if (answer.status >= 300) codes.add((answer.body as unknown as { error: { code: string } }).error.code);
        if (i % 4 === 3) await remove(`tiny/busy-${client}`);
      }
    }),
  );
  pushing = false;
  expect(await collecting).toBeGreaterThan(3);
  // Taken away before it was recorded, and said so: nothing was lost.
  expect([...codes].filter((code) => code !== 'blob_vanished')).toEqual([]);

  for (let client = 0; client < 3; client++) {
    const folder = await registry.adapter(`last-${client}`, { seed: 200 + client });
    await registry.pushFolder({ path: `tiny/busy-${client}`, folder });
  }
  await collect({ graceSeconds: 0 });
  const { data } = await registry.get<Page<{ path: string }>>('/nodes?under=tiny&limit=1000');
  const held = await blobs();
  for (const { path } of data.filter((node) => node.path !== 'tiny')) {
    const { status } = await registry.service.fetch(`/api/v1/export/adapter_model.safetensors?path=${path}`);
    expect({ path, status }).toEqual({ path, status: 200 });
  }
  expect(held.length).toBeGreaterThan(3);
});

test('is for admins of the whole registry, and leaves its word in the audit log', async () => {
  const keyOf = async (body: object) => (await registry.post<NewKeyDto>('/keys', { name: 'k', ...body }, 201)).key;
  const writer = await keyOf({ scopes: ['write'] });
  const bound = await keyOf({ scopes: ['admin'], subtree: 'tiny/kept' });
  expect((await registry.service.call('/api/v1/gc', { key: writer, json: {} })).status).toBe(403);
  expect(await registry.service.call('/api/v1/gc', { key: bound, json: {} })).toMatchObject({
    status: 403,
    body: { error: { code: 'subtree_key' } },
  });
  for (const json of [{ graceSeconds: -1 }, { graceSeconds: 0.5 }, { force: true }]) {
    expect((await registry.refusal('/gc', { json })).status).toBe(400);
  }
  const report = await collect({ graceSeconds: 60 });
  const { data } = await registry.get<Page<AuditEntryDto>>('/audit?action=gc.run&limit=1');
  expect(data[0]).toMatchObject({ action: 'gc.run', node: null, after: report });
});
