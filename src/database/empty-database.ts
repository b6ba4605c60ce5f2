/**
 * An empty database that the build has made (scripts/empty-database.mjs), for new data folders to begin as a copy of:
 * `initdb`, by PGlite, is two fifths of the work of a first start. Kept beside the packages, named by PGlite's version.
 *
 * All copies bear one system identifier, which tells servers apart that replicate each other; the embedded one never does.
 */
import { constants, existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where it is; null where there is none. */
export function emptyDatabase(): string | null {
  const pglite = dirname(dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')));
  const { version } = JSON.parse(readFileSync(join(pglite, 'package.json'), 'utf8')) as { version: string };
  const folder = join(pglite, '../../.cache/espalier', `empty-database-${version}`);
  return existsSync(folder) ? folder : null;
}

/** As `cp` of node:fs/promises, which takes four times as long for a thousand small files. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)];
      // Shares the blocks where the file system can.
      if (entry.isDirectory()) await copyFolder(source, target);
      else await copyFile(source, target, constants.COPYFILE_FICLONE);
    }),
  );
}
