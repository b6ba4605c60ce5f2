/**
 * Brings a database to the newest migration.
 *
 * Prisma's own tool for this runs a native engine that is a download. This runner reads the same folder and keeps the
 * same books (`_prisma_migrations`, with the same checksums and the same advisory lock), so that `prisma migrate` finds
 * what it expects wherever it can run. A migration and its record are one transaction: a crash leaves neither.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MigrationError } from '../errors/database.js';

/** What a migration needs of a connection, whichever driver is behind it. */
export interface MigrationConnection {
  /** Runs a script of several statements. */
  script(sql: string): Promise<void>;
  query(sql: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
}

interface Migration {
  name: string;
  sql: string;
  /** sha256 of the file, hex, as Prisma computes it. */
  checksum: string;
}

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** As Prisma creates it. */
const BOOKS = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

/** Applies what is missing, oldest first, and returns the names of it. */
export async function migrate(connection: MigrationConnection, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
  await connection.query(BOOKS);
  const recorded = await connection.query(
    'SELECT migration_name, checksum, finished_at IS NOT NULL AS finished FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at',
  );
  const applied = new Map(recorded.map((row) => [String(row['migration_name']), row]));

  for (const [name, row] of applied) {
    const ours = migrations.find((migration) => migration.name === name);
    if (!ours)
      throw new MigrationError(name, 'is in the database but not in this build: start a build that is as new.');
    if (row['finished'] !== true) {
      throw new MigrationError(name, 'failed before. Repair the database, then mark it with "prisma migrate resolve".');
    }
    if (row['checksum'] !== ours.checksum) {
      throw new MigrationError(
        name,
        'was changed after it had been applied. Restore its file and add a new migration.',
      );
    }
  }

  const missing = migrations.filter(({ name }) => !applied.has(name));
  for (const migration of missing) await apply(connection, migration);
  return missing.map(({ name }) => name);
}

async function apply(connection: MigrationConnection, { name, sql, checksum }: Migration): Promise<void> {
  await connection.query('BEGIN');
  try {
    await connection.script(sql);
    await connection.query(
      'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)',
      [randomUUID(), checksum, name],
    );
    await connection.query('COMMIT');
  } catch (error) {
    await connection.query('ROLLBACK');
    const reason = error instanceof Error ? error.message : String(error);
    throw new MigrationError(name, `can't be applied: ${reason}`, error);
  }
}

/** Folder names begin with a time stamp, so their order is the order of the migrations. */
async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}
