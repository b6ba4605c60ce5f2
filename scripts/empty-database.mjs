// Makes what a new embedded database begins as a copy of (src/database/empty-database.ts): PostgreSQL's `initdb`, by PGlite,
// and the migrations. Does nothing where there is one already for this version of PGlite and these migrations.
import { PGlite } from '@electric-sql/pglite';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pglite = dirname(dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite')));
const { version } = JSON.parse(readFileSync(join(pglite, 'package.json'), 'utf8'));
const migrations = fileURLToPath(new URL('../prisma/migrations', import.meta.url));

/** New databases are copies of it, not of these: two thirds of its files. */
const WITHOUT_TEMPLATES = [
  'UPDATE pg_database SET datistemplate = false, datallowconn = true',
  'DROP DATABASE template0',
  'DROP DATABASE template1',
];

/** `compiled`: resolves when dist/ is there. */
export async function makeEmptyDatabase(compiled) {
  const folder = join(pglite, '../../.cache/espalier', `empty-database-${version}-${migrationsHash()}`);
  if (existsSync(folder)) return;
  // Elsewhere first, by a name of its own: half of it must never be taken for the whole, nor two builds mix.
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const server = await PGlite.create(draft);
  for (const statement of WITHOUT_TEMPLATES) await server.exec(statement);
  await compiled;
  const { migrateEmbedded } = await import('../dist/database/embedded.js');
  await migrateEmbedded(server);
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

function migrationsHash() {
  const hash = createHash('sha256');
  for (const name of readdirSync(migrations).sort()) {
    if (!name.endsWith('.toml')) hash.update(name).update(readFileSync(join(migrations, name, 'migration.sql')));
  }
  return hash.digest('hex').slice(0, 12);
}
