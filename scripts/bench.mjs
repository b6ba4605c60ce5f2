// `npm run bench`: installs, builds, then runs every file of bench/ in a process of its own, or only those named:
// `npm run bench -- resolve`. What starts with `--` goes to the files: `npm run bench -- resolve --nodes=100000`.
//
// The files are TypeScript and import ../src/…, so that the type check and the linter see them. Here swc turns them into
// dist-bench/, which lies as deep as bench/, and their imports of ../src/ become ../dist/: what is measured is the build
// that is served, and no loader stands between.
import { transformFile } from '@swc/core';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare();
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

const out = join(root, 'dist-bench');
rmSync(out, { recursive: true, force: true });
for (const file of readdirSync(join(root, 'bench'), { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts') || file.startsWith(`peers${sep}`)) continue;
  const { code } = await transformFile(join(root, 'bench', file), {
    configFile: join(root, '.swcrc'),
    sourceMaps: 'inline',
  });
  const target = join(out, file.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code.replaceAll(/(from |import\(|new URL\()(['"])((?:\.\.\/)+)src\//g, '$1$2$3dist/'));
}

const failed = [];
for (const name of named.length > 0 ? named : available) {
  process.stdout.write(`\n== ${name}\n`);
  const run = spawnSync(process.execPath, ['--expose-gc', '--enable-source-maps', join(out, `${name}.js`), ...flags], {
    cwd: root,
    stdio: 'inherit',
  });
  if (run.status !== 0) failed.push(name);
}
if (failed.length > 0) {
  process.stderr.write(`\nFailed: ${failed.join(', ')}.\n`);
  process.exit(1);
}
