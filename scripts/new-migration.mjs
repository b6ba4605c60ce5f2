// `npm run migration -- add_something`: writes the migration that leads from the newest one to prisma/schema.prisma, as
// `prisma migrate dev --create-only` does, but without a download and without a database server.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingMigration, prismaFolder } from './schema-engine.mjs';

const name = process.argv[2] ?? '';
if (!/^[a-z][a-z0-9_]*$/.test(name)) {
  process.stderr.write('Give the migration a name that begins with a verb: npm run migration -- add_aliases\n');
  process.exit(1);
}
const sql = await missingMigration();
if (sql === null) {
  process.stdout.write('The migrations lead to prisma/schema.prisma already.\n');
} else {
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const folder = join(prismaFolder, 'migrations', `${stamp}_${name}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'migration.sql'), sql);
  process.stdout.write(`${folder}/migration.sql: read it before you commit it.\n`);
}
