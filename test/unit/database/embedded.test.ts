/** Where the embedded database comes from, on real folders. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../../../src/database/embedded.js';
import { copyFolder, emptyDatabase } from '../../../src/database/empty-database.js';

const SLOW_MS = 120_000;

describe('a new embedded database', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier embedded '));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function migratedWhenOpened(empty?: string | null): Promise<number> {
    const driver = await openEmbedded(join(folder, 'database'), empty);
    await driver.close();
    return driver.migrated.length;
  }

  it(
    'is a copy of what the build has made and migrated, whatever a process that was killed has left of one',
    async () => {
      const empty = emptyDatabase();
      expect(empty).not.toBeNull();
      // The first files of a copy: what is taken for a database by PGlite itself.
      await mkdir(join(folder, 'database.new', 'global'), { recursive: true });
      await writeFile(join(folder, 'database.new', 'PG_VERSION'), '18\n');
      expect(await migratedWhenOpened()).toBe(0);
      expect(await readdir(folder)).toEqual(['database']);
      expect((await stat(join(folder, 'database'))).mode & 0o777).toBe(0o700);
      // The one that was copied is as it was.
      await copyFolder(empty!, join(folder, 'second'));
      const second = await openEmbedded(join(folder, 'second'));
      const { rows } = await second.adapter
        .connect()
        .then((connection) => connection.queryRaw({ sql: 'SELECT count(*)::int FROM "Node"', args: [], argTypes: [] }));
      await second.close();
      expect(rows).toEqual([[0]]);
    },
    SLOW_MS,
  );

  it(
    'is made on the spot where the build has left none',
    async () => {
      expect(await migratedWhenOpened(null)).toBeGreaterThan(0);
      expect(await migratedWhenOpened(null)).toBe(0);
    },
    SLOW_MS,
  );
});
