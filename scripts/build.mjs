// `npm run build`: the sources into dist/, and beside that the empty database, which takes a processor of its own as long.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeEmptyDatabase } from './empty-database.mjs';

const scripts = dirname(fileURLToPath(import.meta.url));
const nest = createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');

const compiled = compile();
await Promise.all([compiled, makeEmptyDatabase(compiled)]);

async function compile() {
  await run(join(scripts, 'prisma-generate.mjs'));
  await run(nest, 'build');
}

async function run(file, ...args) {
  const child = spawn(process.execPath, [file, ...args], { cwd: dirname(scripts), stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) process.exit(code ?? 1);
}
