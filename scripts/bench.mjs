// `npm run bench`: installs, builds, then runs every file of bench/ in a process of its own, or only those named:
// `npm run bench -- resolve`. What starts with `--` goes to the files: `npm run bench -- resolve --nodes=100000`.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare();
// What it needs is there only now.
const { compileBench } = await import('./compile-bench.mjs');
const available = readdirSync(join(root, 'bench'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .sort();
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const unknown = named.filter((name) => !available.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark "${unknown.join('", "')}". There are: ${available.join(', ')}.\n`);
  process.exit(2);
}

/** What some of them want of Node: a young generation of a fixed size, so that memory tells of nothing but the service. */
const NODE_FLAGS = { soak: ['--min-semi-space-size=16', '--max-semi-space-size=16'] };

const out = await compileBench();
const failed = [];
for (const name of named.length > 0 ? named : available) {
  process.stdout.write(`\n== ${name}\n`);
  const node = ['--expose-gc', '--enable-source-maps', ...(NODE_FLAGS[name] ?? [])];
  const run = spawnSync(process.execPath, [...node, join(out, `${name}.js`), ...flags], {
    cwd: root,
    stdio: 'inherit',
  });
  if (run.status !== 0) failed.push(name);
}
if (failed.length > 0) {
  process.stderr.write(`\nFailed: ${failed.join(', ')}.\n`);
  process.exit(1);
}
