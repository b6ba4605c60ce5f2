/** The registry behind what is served: a path digest can be looked up, and an adapter that was tampered with isn't loaded. */
import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResolutionDto, ServedPathDto } from '../../src/registry/dto/resolution.dto.js';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(180_000);

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
});
afterAll(() => tree.service.remove());

interface Refused {
  error?: { code: string; message: string };
}

const generate = (model: string) =>
  tree.service.call<Refused>('/v1/completions', {
    key: tree.service.keys.infer,
    json: { model, prompt: 'The', max_tokens: 1 },
  });

test('a path digest stands for the same revisions for ever', async () => {
  const { status, headers } = await generate('story/french:0.5/verne');
  expect(status).toBe(200);
  const digest = headers.get('x-espalier-path-digest') ?? '';
  const found = await tree.service.call<ServedPathDto>(`/api/v1/paths/${digest}`, { key: tree.service.keys.infer });
  expect(found.status).toBe(200);
  const resolved = await tree.service.call<ResolutionDto>('/api/v1/resolve?path=story/french:0.5/verne');
  expect(resolved.body.digest).toBe(digest);
  expect(found.body).toMatchObject({ digest, path: 'story/french:0.5/verne', model: { name: 'story' } });
  expect(found.body.steps).toEqual(
    resolved.body.steps.map(({ node, weight, revision }) => ({
      path: node.path,
      revision: revision?.number,
      digest: revision?.digest,
      weight,
    })),
  );

  await tree.service.call('/api/v1/nodes/story%2Ffrench/move', { json: { path: 'story/francais' } });
  const moved = await generate('story/francais:0.5/verne');
  expect(moved.headers.get('x-espalier-path-digest')).toBe(digest);
  expect(moved.headers.get('x-espalier-path')).toBeNull();
  const byOldName = await generate('story/french:0.5/verne');
  expect(byOldName.headers.get('x-espalier-path-digest')).toBe(digest);
  expect(byOldName.headers.get('x-espalier-path')).toBe('story/francais:0.5/verne');
  expect((await tree.service.call(`/api/v1/paths/${digest}`)).body).toEqual(found.body);
  expect((await tree.service.call(`/api/v1/paths/${'0'.repeat(64)}`)).status).toBe(404);
});

test('an adapter whose files changed is not loaded; which, and where it lies, is told to the log alone', async () => {
  const pushed = await readFile(join(tree.folder, '2/adapter_model.safetensors'));
  const blob = createHash('sha256').update(pushed).digest('hex');
  const file = join(tree.service.dataFolder, 'blobs', blob.slice(0, 2), blob);
  await writeFile(file, pushed.subarray(0, 1000));
  const { body: node } = await tree.service.call<{ head: { digest: string } }>('/api/v1/nodes/story%2Fgerman');
  const weights = await tree.service.call<Refused>('/api/v1/export/adapter_model.safetensors?path=story/german');
  for (const { status, body } of [await generate('story/german'), weights]) {
    expect({ status, code: body.error?.code }).toEqual({ status: 500, code: 'adapter_load_failed' });
    for (const secret of [blob, tree.service.dataFolder, 'safetensors', node.head.digest.slice(0, 12)]) {
      expect(JSON.stringify(body)).not.toContain(secret);
    }
  }
  const line = tree.service.logs.split('\n').find((text) => text.includes('adapter could not be loaded')) ?? '{}';
  const logged = JSON.parse(line) as { adapter?: string; reason?: string };
  expect(logged.adapter).toBe(node.head.digest);
  expect(logged.reason).toContain('1000 bytes');
  // The export, which another thread reads.
  const failed = tree.service.logs.split('\n').filter((text) => text.includes('"adapter_load_failed"'));
  expect(failed.join('\n')).toContain('1000 bytes');

  await writeFile(file, pushed);
  expect((await generate('story/german')).status).toBe(200);
});
