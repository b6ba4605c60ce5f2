// `npm run crash -- --rounds 50`: installs, builds, and runs bench/crash against the built service.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare();
// What it needs is there only now.
const { compileBench } = await import('./compile-bench.mjs');
const run = spawnSync(
  process.execPath,
  ['--enable-source-maps', join(await compileBench(), 'crash/main.js'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
process.exit(run.status ?? 1);
