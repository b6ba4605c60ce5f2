/** The files of packed weights, as whoever runs the service meets them. */
import { jest } from '@jest/globals';
import { readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestService } from './support/service.js';
import { BASE, created, startWithSmallTree, type SmallTree } from './support/small-tree.js';

jest.setTimeout(300_000);

interface Completion {
  choices: { text: string }[];
}

const PATHS = ['story', 'story/french', 'story/french/verne'];

describe('packed weights', () => {
  let tree: SmallTree;
  beforeAll(async () => {
    tree = await startWithSmallTree();
  }, 200_000);
  afterAll(() => tree.service.remove());

  const texts = async (service: TestService, paths = PATHS): Promise<string[]> => {
    const all: string[] = [];
    for (const model of paths) {
      const json = { model, prompt: 'The sea was calm', max_tokens: 24, temperature: 0 };
      const { status, body } = await service.call<Completion>('/v1/completions', { json });
      expect({ status, body }).toMatchObject({ status: 200 });
      all.push(body.choices[0]!.text);
    }
    return all;
  };
  const packed = async () => {
    const root = join(tree.service.dataFolder, 'packed');
    const [folder = '', ...others] = await readdir(root);
    expect(others).toEqual([]);
    return join(root, folder, 'weights.bin');
  };

  test('are made once, mapped by every later start, and made anew where they are damaged', async () => {
    const before = await texts(tree.service);
    expect(new Set(before).size).toBe(PATHS.length);
    const file = await packed();
    const { size, mtimeMs } = await stat(file);
    await tree.service.kill9();
    await tree.service.launch();
    expect(await texts(tree.service)).toEqual(before);
    expect(await stat(await packed())).toMatchObject({ size, mtimeMs });
    await tree.service.stop();
    await truncate(file, size / 2);
    await tree.service.launch();
    expect(await texts(tree.service)).toEqual(before);
    expect(await stat(await packed())).toMatchObject({ size });
    expect(tree.service.logs).not.toContain('model is slower');
  });

  test('may be none, or have no place: then a model is served all the same', async () => {
    const before = await texts(tree.service, ['story']);
    const env = { ESPALIER_PACKED: 'off' };
    const off = await TestService.start({ env });
    const file = join(off.dataFolder, 'a file');
    try {
      await created(off, '/api/v1/models', { name: 'story', folder: BASE });
      expect(await texts(off, ['story'])).toEqual(before);
      expect(await readdir(off.dataFolder)).not.toContain('packed');
      await off.stop();
      await writeFile(file, '');
      env.ESPALIER_PACKED = file;
      await off.launch();
      expect(await texts(off, ['story'])).toEqual(before);
      expect(off.logs).toMatch(/model is slower than it might be/);
      expect(off.logs).toContain(file);
    } finally {
      await off.remove();
    }
  });
});
