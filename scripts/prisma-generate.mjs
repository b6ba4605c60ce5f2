// Generates the Prisma client from prisma/schema.prisma.
//
// `prisma generate` only checks that a schema engine file exists and never runs it, but the real engine is a download
// that closed networks refuse. So generation is pointed at a stub that fails if anything ever does run it.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const stubFolder = mkdtempSync(join(tmpdir(), 'espalier-prisma-'));
const stub = join(stubFolder, 'schema-engine-stub');
writeFileSync(stub, '#!/bin/sh\necho "this is a stub: the Prisma schema engine is not installed" >&2\nexit 1\n');
chmodSync(stub, 0o755);
const prisma = join(dirname(require.resolve('prisma/package.json')), 'build/index.js');
const run = spawnSync(process.execPath, [prisma, 'generate', '--schema', join(root, 'prisma/schema.prisma')], {
  cwd: root,
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: stub, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
  encoding: 'utf8',
});
rmSync(stubFolder, { recursive: true, force: true });
if (run.status !== 0) {
  process.stderr.write(run.stdout + run.stderr);
  process.exit(run.status ?? 1);
}
