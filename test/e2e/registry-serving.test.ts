/** The registry behind what is served: a path digest can be looked up, and a model or adapter that was tampered with isn't loaded. */
import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelDto } from '../../src/registry/dto/model.dto.js';
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
  await tree.service.kill9();
  await tree.service.launch();
  expect((await tree.service.call(`/api/v1/paths/${digest}`)).body).toEqual(found.body);
  expect((await tree.service.call(`/api/v1/paths/${'0'.repeat(64)}`)).status).toBe(404);
});

test('a model whose files changed is not loaded, and an import repairs it', async () => {
  const { body: model } = await tree.service.call<ModelDto>('/api/v1/models/story');
  const weights = join(tree.service.dataFolder, 'models', model.digest, 'model.safetensors');
  await tree.service.stop();
  const handle = await open(weights, 'r+');
  await handle.write(Buffer.from([1, 2, 3]), 0, 3, 100_000);
  await handle.close();
  await tree.service.launch();
  const { status, body } = await generate('story');
  expect({ status, code: body.error?.code }).toEqual({ status: 500, code: 'model_load_failed' });
  // Where the model lies is told to those who read the log.
  for (const secret of [tree.service.dataFolder, 'model.safetensors', model.digest.slice(0, 12)]) {
    expect(JSON.stringify(body)).not.toContain(secret);
  }

  const folder = join(process.cwd(), 'examples/storyteller/base');
  const again = await tree.service.call('/api/v1/models', { json: { name: 'story', folder } });
  expect(again).toMatchObject({ status: 200, body: { unchanged: true } });
  expect((await generate('story')).status).toBe(200);

  const line = tree.service.logs.split('\n').find((text) => text.includes('model could not be loaded')) ?? '{}';
  const logged = JSON.parse(line) as { model?: string; folder?: string; reason?: string };
  expect(logged).toMatchObject({ model: model.digest, folder: dirname(weights) });
  expect(logged.reason).toContain(`"model.safetensors" of the imported model in "${dirname(weights)}" was rewritten`);
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
