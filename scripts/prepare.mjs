// Brings a checkout to a state that can run: packages as the lockfile says, and a build of the sources as they are.
// Does nothing that is already done. Uses only what Node brings, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(root, 'dist/.built-from');

export function prepare() {
  requireNode(20, 19);
  if (!installed()) {
    process.stdout.write('Installing packages …\n');
    // npm's own progress would scroll the line away that matters; what goes wrong is still printed.
    // With NODE_ENV=production npm would leave packages out, and they would be missing at every start.
    npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
    // What a build keeps beside the packages went with the old ones.
    rmSync(STAMP, { force: true });
  }
  const sources = fingerprint(['src', 'prisma', 'package-lock.json', 'nest-cli.json', '.swcrc']);
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== sources) {
    process.stdout.write('Building …\n');
    npm(['run', '--silent', 'build']);
    writeFileSync(STAMP, sources);
  }
}

function requireNode(major, minor) {
  const [haveMajor, haveMinor] = process.versions.node.split('.').map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return;
  process.stderr.write(`Espalier needs Node ${major}.${minor} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}

/** npm keeps a copy of the lockfile of what it installed: compare it with ours, package by package. */
function installed() {
  const record = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const have = JSON.parse(readFileSync(record, 'utf8')).packages;
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(
    ([path, entry]) =>
      path === '' || entry.link || have[path]?.version === entry.version || (!have[path] && entry.optional),
  );
}

/** One hash over the names and contents of all files under `entries`, but for what the build itself generates. */
function fingerprint(entries) {
  const hash = createHash('sha256');
  const generated = join('src', 'database', 'generated');
  const add = (path) => {
    if (path === generated) return;
    if (statSync(join(root, path)).isDirectory()) {
      for (const name of readdirSync(join(root, path)).sort()) add(join(path, name));
    } else {
      hash
        .update(path)
        .update('\0')
        .update(readFileSync(join(root, path)));
    }
  };
  for (const entry of entries) add(entry);
  return hash.digest('hex');
}

function npm(args) {
  // npm sets npm_execpath for the scripts that it runs; a shell is only needed where it doesn't.
  const cli = process.env.npm_execpath;
  const run = cli
    ? spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (run.status !== 0) process.exit(run.status ?? 1);
}
