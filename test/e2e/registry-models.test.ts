/** Importing checkpoints. */
import { jest } from '@jest/globals';
import { copyFile, mkdir, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImportedModelDto, ModelDto } from '../../src/registry/dto/model.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import { TINY, writeCheckpoint } from '../unit/formats/support/tiny-model.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start({ empty: true });
}, 130_000);
afterAll(() => registry.remove());

const importModel = (json: object, status = 201) => registry.post<ImportedModelDto>('/models', json, status);
const at = (name: string) => join(registry.folder, name);
const stored = () => readdir(join(registry.service.dataFolder, 'models'));

/** A checkpoint of its own digest for each `vocab`. */
async function checkpoint(name: string, vocab: number): Promise<string> {
  await writeCheckpoint(at(name), { ...TINY, vocab_size: vocab });
  return at(name);
}

describe('an imported checkpoint', () => {
  test('is a model with a root node and has a folder of its own', async () => {
    const model = await importModel({ name: 'first', folder: at('tiny') });
    expect(model).toMatchObject({ name: 'first', modelType: 'llama', vocabSize: 12, layers: 2, unchanged: false });
    expect(model.memoryBytes).toBe(model.parameters * 4);
    expect(model.origins).toEqual(expect.arrayContaining(['tiny', 'first']));
    expect(await registry.get(`/nodes/${model.rootNodeId}`)).toMatchObject({ path: 'first', parent: null, head: null });
    const folder = join(registry.service.dataFolder, 'models', model.digest);
    expect((await readdir(folder)).sort()).toEqual([
      'config.json',
      'files.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect((await stat(join(folder, 'model.safetensors'))).ino).not.toBe(
      (await stat(at('tiny/model.safetensors'))).ino,
    );
    expect((await registry.get<Page<ModelDto>>('/models')).data).toContainEqual(await registry.get('/models/first'));
  });

  test('again under its name changes nothing, and under another shares the folder', async () => {
    const first = await registry.get<ModelDto>('/models/first');
    expect(await importModel({ name: 'first', folder: at('tiny') }, 200)).toMatchObject({
      id: first.id,
      unchanged: true,
    });
    const before = await stored();
    const second = await importModel({ name: 'second', folder: at('tiny') });
    expect(second.digest).toBe(first.digest);
    expect(second.id).not.toBe(first.id);
    expect(await stored()).toEqual(before);
  });

  test('from other files is refused under a name that is taken, and leaves nothing', async () => {
    const folder = await checkpoint('other', 13);
    const before = await stored();
    const body = { method: 'POST', json: { name: 'first', folder } };
    expect(await registry.refusal('/models', body)).toMatchObject({ status: 409, code: 'model_exists' });
    expect(await stored()).toEqual(before);
  });

  test('may be linked', async () => {
    const folder = await checkpoint('linked', 14);
    const { digest } = await importModel({ name: 'linked', folder, link: true });
    const ours = await stat(join(registry.service.dataFolder, 'models', digest, 'model.safetensors'));
    expect(ours.ino).toBe((await stat(join(folder, 'model.safetensors'))).ino);
  });

  test("is read from a hub cache's links, and known by its hub id", async () => {
    const source = await checkpoint('plain', 15);
    const cache = at('hub/models--acme--small');
    const snapshot = join(cache, 'snapshots/0123abcd');
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(cache, 'blobs'));
    for (const name of await readdir(source)) {
      await copyFile(join(source, name), join(cache, 'blobs', `blob-${name}`));
      await symlink(join('../../blobs', `blob-${name}`), join(snapshot, name));
    }
    const model = await importModel({ name: 'cached', folder: snapshot });
    expect(model.origins).toContain('acme/small');
    const files = await readdir(join(registry.service.dataFolder, 'models', model.digest), { withFileTypes: true });
    expect(files.every((file) => file.isFile())).toBe(true);
    expect((await importModel({ name: 'plain', folder: source })).digest).toBe(model.digest);
  });

  test('is listed in pages', async () => {
    const all = (await registry.get<Page<ModelDto>>('/models')).data.map(({ name }) => name);
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page<ModelDto> = await registry.get(`/models?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.data.length).toBeLessThanOrEqual(2);
      paged.push(...page.data.map(({ name }) => name));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(all);
    expect(all.length).toBeGreaterThan(3);
  });
});

describe('an import that is refused', () => {
  const broken = async (name: string, change: (folder: string) => Promise<void>): Promise<string> => {
    await checkpoint(name, 16);
    await change(at(name));
    return at(name);
  };

  test.each<[string, number, string, (folder: string) => Promise<void>]>([
    ['a truncated file', 400, 'invalid_file', (folder) => truncate(join(folder, 'model.safetensors'), 2000)],
    [
      'a file without an end to its header',
      400,
      'invalid_file',
      (folder) => truncate(join(folder, 'model.safetensors'), 20),
    ],
    [
      'a header that lies about its length',
      400,
      'invalid_file',
      (folder) => overwrite(folder, 0, '\xff\xff\xff\xff\xff\xff'),
    ],
    ['no weights', 400, 'invalid_file', (folder) => rm(join(folder, 'model.safetensors'))],
    ['no config', 400, 'invalid_file', (folder) => rm(join(folder, 'config.json'))],
    ['a config that is no JSON', 400, 'invalid_file', (folder) => writeFile(join(folder, 'config.json'), '{')],
    [
      'an architecture that nobody knows',
      400,
      'unsupported_architecture',
      (folder) => config(folder, { model_type: 'mamba' }),
    ],
    [
      'rope that is not implemented',
      400,
      'unsupported_config',
      (folder) => config(folder, { rope_scaling: { rope_type: 'yarn', factor: 2 } }),
    ],
    ['weights of another shape', 400, 'tensor_shape_mismatch', (folder) => config(folder, { intermediate_size: 20 })],
  ])('for %s', async (name, status, code, change) => {
    const folder = await broken(name, change);
    const before = await stored();
    const refusal = await registry.refusal('/models', { json: { name: 'broken', folder } });
    expect(refusal).toMatchObject({ status, code });
    expect(await stored()).toEqual(before);
    expect((await registry.service.call('/api/v1/models/broken')).status).toBe(404);
    expect((await registry.service.call('/api/v1/models/first')).status).toBe(200);
  });

  test('for a folder that the service may not read, also by a link, says which variable to set', async () => {
    await symlink('/usr', at('way-out'));
    for (const folder of ['/usr', '/nowhere', at('way-out'), `${registry.folder}/../..`]) {
      const refusal = await registry.refusal('/models', { json: { name: 'x', folder } });
      expect(refusal).toMatchObject({ status: 403, code: 'folder_not_allowed' });
      expect(refusal.message).toContain('ESPALIER_IMPORT_ROOTS');
    }
  });

  test('for a file that is a link out of what the service may read', async () => {
    const folder = await checkpoint('leaking', 17);
    await rm(join(folder, 'tokenizer.json'));
    await symlink('/etc/hostname', join(folder, 'tokenizer.json'));
    expect(await registry.refusal('/models', { json: { name: 'x', folder } })).toMatchObject({
      status: 403,
      code: 'folder_not_allowed',
    });
  });

  test.each([
    ['no such folder', { name: 'x', folder: 'nothing-here' }, 404, 'folder_not_found'],
    ['a name that no path may have', { name: 'X y', folder: 'tiny' }, 400, 'invalid_path'],
    ['a name of two segments', { name: 'a/b', folder: 'tiny' }, 400, 'invalid_path'],
    ['a name with a weight', { name: 'a:2', folder: 'tiny' }, 400, 'invalid_path'],
    ['a field that is not known', { name: 'x', folder: 'tiny', symlink: true }, 400, 'invalid_request'],
    ['a field that is missing', { name: 'x' }, 400, 'invalid_request'],
  ])('for %s', async (_name, json, status, code) => {
    const body = 'folder' in json ? { ...json, folder: at(json.folder) } : json;
    expect(await registry.refusal('/models', { json: body })).toMatchObject({ status, code });
  });

  test('for a key that may not', async () => {
    const json = { name: 'x', folder: at('tiny') };
    expect(await registry.refusal('/models', { json, key: registry.service.keys.infer })).toMatchObject({
      status: 403,
    });
    expect(await registry.refusal('/models', { json, key: null })).toMatchObject({ status: 401 });
  });
});

async function config(folder: string, fields: object): Promise<void> {
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ ...(JSON.parse(await readFile(file, 'utf8')) as object), ...fields }));
}

async function overwrite(folder: string, position: number, bytes: string): Promise<void> {
  const handle = await open(join(folder, 'model.safetensors'), 'r+');
  await handle.write(Buffer.from(bytes, 'latin1'), 0, bytes.length, position);
  await handle.close();
}
