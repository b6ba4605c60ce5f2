// Prisma's schema engine, as WebAssembly: the same code as the native one that the `prisma` command downloads, over an
// empty embedded database in memory. What it says is what `prisma migrate` would say.
import { PGlite } from '@electric-sql/pglite';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';

export const prismaFolder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'prisma');
const filters = { externalTables: [], externalEnums: [] };

const { WebAssembly } = globalThis;
let started = false;
function start() {
  if (started) return;
  // Its own entry point imports the .wasm file as a module, which Node can't do yet.
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const module = new WebAssembly.Module(readFileSync(join(folder, 'schema_engine_bg.wasm')));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(exports);
  exports.__wbindgen_start();
  started = true;
}

let made = null;
/** An empty database in memory. PostgreSQL's `initdb` takes PGlite long, so one is made, and the others are copies. */
export async function emptyInMemory() {
  made ??= PGlite.create().then(async (first) => {
    const dump = await first.dumpDataDir('none');
    await first.close();
    return dump;
  });
  return PGlite.create({ loadDataDir: await made });
}

/** The SQL that leads from `migrations/` to `schema.prisma` in the folder; null where none is needed. */
export async function missingMigration(folder = prismaFolder) {
  return withEngine(await emptyInMemory(), folder, async (engine) => {
    const { stdout } = await engine.diff({
      from: { tag: 'migrations', ...migrations(folder) },
      to: { tag: 'schemaDatamodel', files: schema(folder) },
      script: true,
      exitCode: null,
      filters,
    });
    return stdout === null || stdout.startsWith('-- This is an empty migration') ? null : stdout;
  });
}

/** What `prisma migrate` thinks of a database that our own runner has migrated; closes it. */
export async function diagnose(database) {
  return withEngine(database, prismaFolder, (engine) =>
    engine.diagnoseMigrationHistory({
      migrationsList: migrations(prismaFolder),
      optInToShadowDatabase: false,
      filters,
    }),
  );
}

/** Closes the database too. */
async function withEngine(database, folder, work) {
  start();
  // The adapter's own scratch database for replaying migrations would never be closed.
  let scratch = null;
  const factory = new PrismaPGlite(database);
  factory.connectToShadowDb = async () => new PrismaPGlite(await (scratch ??= emptyInMemory())).connect();
  const datamodels = schema(folder).map(({ path, content }) => [path, content]);
  const engine = await glue.SchemaEngine.new(
    { datamodels },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
  try {
    return await work(engine);
  } finally {
    engine.free();
    await (await scratch)?.close();
    await database.close();
  }
}

function schema(folder) {
  const path = join(folder, 'schema.prisma');
  return [{ path, content: readFileSync(path, 'utf8') }];
}

function migrations(folder) {
  const baseDir = join(folder, 'migrations');
  const read = (path) => readFileSync(join(baseDir, path), 'utf8');
  const folders = readdirSync(baseDir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: read('migration_lock.toml') },
    shadowDbInitScript: '',
    migrationDirectories: folders
      .map(({ name }) => name)
      .sort()
      .map((path) => ({
        path,
        migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: read(join(path, 'migration.sql')) } },
      })),
  };
}
