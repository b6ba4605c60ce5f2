/** Several instances, or processes, that import into one folder. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  importCheckpoint,
  isIntact,
  type ImportedCheckpoint,
} from '../../../src/registry/importer/import-checkpoint.js';
import { TINY, writeCheckpoint } from '../formats/support/tiny-model.js';

const AT_ONCE = 4;

describe('importing the same checkpoint several times at once', () => {
  let folder: string;
  let source: string;
  let models: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier import '));
    source = join(folder, 'source');
    models = join(folder, 'models');
    await writeCheckpoint(source, TINY);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const importOnce = (): Promise<ImportedCheckpoint> =>
    importCheckpoint(source, models, {
      locate: (from, file) => Promise.resolve(join(from, file)),
      hardLink: false,
      quantization: null,
      quantize: () => Promise.reject(new Error('not asked for')),
      admit: () => undefined,
    });

  /** What was placed must be there from then on, not only in the end. */
  async function importAtOnce(): Promise<{ placed: number; gone: number }> {
    let running = AT_ONCE;
    let gone = 0;
    const imported = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const one = await importOnce().finally(() => running--);
        do if (!(await isIntact(one.checkpoint.folder))) gone++;
        while (running > 0);
        return one;
      }),
    );
    return { placed: imported.filter(({ placed }) => placed).length, gone };
  }

  test('one of them places the files, and nobody takes them away again', async () => {
    for (let round = 0; round < 10; round++) {
      expect(await importAtOnce()).toEqual({ placed: 1, gone: 0 });
      const [place = '', ...others] = await readdir(models);
      expect(others).toEqual([]);
      await rm(join(models, place), { recursive: true });
    }
  });

  test('one of them mends files that were damaged', async () => {
    const { checkpoint } = await importOnce();
    for (let round = 0; round < 10; round++) {
      await writeFile(join(checkpoint.folder, 'config.json'), '{}');
      const { placed, gone } = await importAtOnce();
      expect(placed).toBeGreaterThanOrEqual(1);
      expect(gone).toBe(0);
      expect(await readdir(models)).toHaveLength(1);
    }
  });
});
