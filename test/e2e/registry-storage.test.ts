/** A disk that can take no more. A limit on the size of files stands in for it: writing past it fails in the same way. */
import { jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TINY, writeCheckpoint } from '../unit/formats/support/tiny-model.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

/** More than the embedded database's own files take. */
const LIMIT_BYTES = 20 * 1024 * 1024;

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
});
afterAll(() => registry.remove());

function limitFiles(bytes: number | 'unlimited'): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${registry.service.pid}`, `--fsize=${bytes}:unlimited`]);
  if (status !== 0) throw new Error(stderr.toString());
}

async function files(folder: string): Promise<string[]> {
  const found = await readdir(join(registry.service.dataFolder, folder), { recursive: true, withFileTypes: true });
  return found.flatMap((file) => (file.isFile() ? [join(file.parentPath, file.name)] : [])).toSorted();
}

(canLimit ? test : test.skip)('a full disk is told as such, and nothing is left half-done', async () => {
  await registry.push('tiny/there', { seed: 1 });
  const before = [await files('blobs'), await files('models')];

  const adapter = await registry.adapter('large', { seed: 2 });
  await writeFile(join(adapter, 'adapter_model.safetensors'), Buffer.alloc(LIMIT_BYTES + 1));
  const model = join(registry.folder, 'large-model');
  await writeCheckpoint(model, { ...TINY, vocab_size: LIMIT_BYTES / 32 + 1000, tie_word_embeddings: true });
  const importing = { json: { name: 'large', folder: model } };

  limitFiles(LIMIT_BYTES);
  const full = { status: 507, code: 'storage_full' };
  expect(await registry.refusal('/revisions', { json: { path: 'tiny/large', folder: adapter } })).toMatchObject(full);
  expect((await registry.pushForm({ path: 'tiny/large' }, adapter)).body).toMatchObject({ error: { code: full.code } });
  expect(await registry.refusal('/models', importing)).toMatchObject(full);
  expect([await files('blobs'), await files('models')]).toEqual(before);
  expect(await registry.push('tiny/small', { seed: 3 })).toMatchObject({ number: 1 });

  limitFiles('unlimited');
  expect(await registry.post('/models', importing.json, 201)).toMatchObject({ name: 'large' });
});
