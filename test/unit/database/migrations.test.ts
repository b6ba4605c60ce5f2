/** Our runner against Prisma's own engine, on real databases in memory. */
import type { PGlite } from '@electric-sql/pglite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diagnose, emptyInMemory, missingMigration, prismaFolder } from '../../../scripts/schema-engine.mjs';
import { migrate, MIGRATIONS_FOLDER, type MigrationConnection } from '../../../src/database/migrations.js';

const SLOW_MS = 60_000;

function connection(database: PGlite): MigrationConnection {
  return {
    script: async (sql) => {
      await database.exec(sql);
    },
    query: async (sql, parameters) => (await database.query<Record<string, unknown>>(sql, parameters)).rows,
  };
}

describe('the migrations', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-migrations-'));
    await cp(prismaFolder, folder, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  it(
    'lead to the schema, by the word of Prisma’s engine',
    async () => {
      expect(await missingMigration()).toBeNull();
    },
    SLOW_MS,
  );

  it(
    'would be found wanting if the schema had a field more',
    async () => {
      await appendFile(join(folder, 'schema.prisma'), '\nmodel Extra {\n  id String @id\n}\n');
      expect(await missingMigration(folder)).toContain('CREATE TABLE "Extra"');
    },
    SLOW_MS,
  );
});

describe('the migration runner', () => {
  let database: PGlite;
  let folder: string;
  beforeAll(async () => {
    database = await emptyInMemory();
  }, SLOW_MS);
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public;');
    folder = await mkdtemp(join(tmpdir(), 'espalier-migrations-'));
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function addMigration(name: string, sql: string): Promise<void> {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'migration.sql'), sql);
  }

  it(
    'keeps books that Prisma’s engine agrees with',
    async () => {
      expect(await migrate(connection(database))).not.toEqual([]);
      expect(await migrate(connection(database))).toEqual([]);
      expect(await diagnose((await database.clone()) as PGlite)).toEqual({
        editedMigrationNames: [],
        failedMigrationNames: [],
        hasMigrationsTable: true,
        history: null,
      });
    },
    SLOW_MS,
  );

  it(
    'applies only what is new',
    async () => {
      await migrate(connection(database), folder);
      await addMigration('29990101000000_add_pear', 'CREATE TABLE "Pear" (id TEXT);');
      expect(await migrate(connection(database), folder)).toEqual(['29990101000000_add_pear']);
    },
    SLOW_MS,
  );

  it(
    'leaves nothing of a migration that fails',
    async () => {
      await addMigration('29990101000000_break', 'CREATE TABLE "Pear" (id TEXT); SELECT nonsense;');
      await expect(migrate(connection(database), folder)).rejects.toThrow(/29990101000000_break.*nonsense/s);
      const { rows } = await database.query(`SELECT to_regclass('"Pear"') AS pear`);
      expect(rows).toEqual([{ pear: null }]);
      await rm(join(folder, '29990101000000_break'), { recursive: true });
      expect(await migrate(connection(database), folder)).toEqual([]);
    },
    SLOW_MS,
  );

  it(
    'refuses a migration that was edited after it had been applied',
    async () => {
      await migrate(connection(database), folder);
      const [name = ''] = await database
        .query<{ migration_name: string }>('SELECT migration_name FROM _prisma_migrations')
        .then(({ rows }) => rows.map((row) => row.migration_name));
      await appendFile(join(folder, name, 'migration.sql'), '-- changed\n');
      await expect(migrate(connection(database), folder)).rejects.toThrow(/was changed after/);
    },
    SLOW_MS,
  );

  it(
    'refuses a database that is newer than the build',
    async () => {
      await addMigration('29990101000000_add_pear', 'CREATE TABLE "Pear" (id TEXT);');
      await migrate(connection(database), folder);
      await expect(migrate(connection(database))).rejects.toThrow(/29990101000000_add_pear.*not in this build/);
    },
    SLOW_MS,
  );
});
