/**
 * The embedded database: PostgreSQL compiled to WebAssembly (PGlite), in this process, in a folder.
 *
 * It survives a killed process, because every commit has reached the operating system, but it never forces writes to
 * the disk, so a power cut can lose the newest. It has one connection and takes no lock on its folder: the lock on the
 * data folder keeps a second process out.
 */
import { PGlite } from '@electric-sql/pglite';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { DatabaseOpenError, MigrationError } from '../errors/database.js';
import type { Driver } from './driver.js';
import { copyFolder, emptyDatabase } from './empty-database.js';
import { migrate } from './migrations.js';

/** A new one begins as a copy of `empty`, or, without, as PGlite makes it. */
export async function openEmbedded(folder: string, empty = emptyDatabase()): Promise<Driver> {
  const description = `embedded in ${folder}`;
  try {
    if (!existsSync(folder)) await initialise(folder, empty);
    const server = await PGlite.create(folder);
    const migrated = await migrateEmbedded(server);
    return { adapter: new PrismaPGlite(server), description, migrated, close: () => server.close() };
  } catch (error) {
    throw error instanceof MigrationError ? error : new DatabaseOpenError(description, error);
  }
}

export function migrateEmbedded(server: PGlite): Promise<string[]> {
  return migrate({
    script: async (sql) => {
      await server.exec(sql);
    },
    query: async (sql, parameters) => (await server.query<Record<string, unknown>>(sql, parameters)).rows,
  });
}

/** Elsewhere first: a process that ends halfway must not leave half a database in its place. */
async function initialise(folder: string, empty: string | null): Promise<void> {
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  if (empty === null) {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    const server = await PGlite.create(draft);
    await server.close();
  } else {
    await copyFolder(empty, draft);
  }
  await rename(draft, folder);
}
