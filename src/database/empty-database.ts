/**
 * An empty database that the build has made (scripts/empty-database.mjs), for new data folders to begin as a copy of:
 * `initdb`, by PGlite, and the migrations are half of the work of a first start. Kept beside the packages, named by PGlite's
 * version and the migrations.
 *
 * All copies bear one system identifier, which tells servers apart that replicate each other; the embedded one never does.
 */
import { createHash } from 'node:crypto';
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MIGRATIONS_FOLDER } from './migrations.js';

/** Where it is; null where there is none. */
export function emptyDatabase(): string | null {
  const pglite = dirname(dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')));
  const { version } = JSON.parse(readFileSync(join(pglite, 'package.json'), 'utf8')) as { version: string };
  const folder = join(pglite, '../../.cache/espalier', `empty-database-${version}-${migrationsHash()}`);
  return existsSync(folder) ? folder : null;
}

/** As scripts/empty-database.mjs computes it, before anything is built. */
function migrationsHash(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(MIGRATIONS_FOLDER).sort()) {
    if (!name.endsWith('.toml')) hash.update(name).update(readFileSync(join(MIGRATIONS_FOLDER, name, 'migration.sql')));
  }
  return hash.digest('hex').slice(0, 12);
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
