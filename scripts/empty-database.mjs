// Makes what the embedded database begins as a copy of (src/database/empty-database.ts): PostgreSQL's `initdb`, by PGlite,
// is two fifths of the work of a first start. Does nothing where this version of PGlite has one already.
import { PGlite } from '@electric-sql/pglite';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const pglite = dirname(dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')));
const { version } = JSON.parse(readFileSync(join(pglite, 'package.json'), 'utf8'));
const folder = join(pglite, '../../.cache/espalier', `empty-database-${version}`);

if (!existsSync(folder)) {
  // Elsewhere first, by a name of its own: half of it must never be taken for the whole, nor two builds mix.
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const server = await PGlite.create(draft);
  await server.close();
  // PGlite lets everybody write its files.
  for (const entry of readdirSync(draft, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another build was first.
    if (!existsSync(folder)) throw error;
    rmSync(draft, { recursive: true });
  }
}
