// `npm run schemathesis`: holds a service with the demo tree against its own /openapi.json, with requests that
// Schemathesis makes up from it: such that fit the document and such that don't, on all routes. Schemathesis is a program
// in Python; it is installed beside the packages, into node_modules/.cache, or named by SCHEMATHESIS. Arguments go to it:
// `-- -n 200`, `-- --seed 7`, `-- --include-path /v1/score`. Exit code 2: it can't be had.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

const VERSION = '4.32.5';
const UNAVAILABLE = 2;

prepare();
const program = process.env.SCHEMATHESIS ?? installed();
const data = mkdtempSync(join(tmpdir(), 'espalier schemathesis '));
const service = spawn(process.execPath, [join(root, 'dist/main.js')], {
  cwd: root,
  env: {
    ...process.env,
    ESPALIER_DATA: data,
    ESPALIER_PORT: '0',
    ESPALIER_DEMO: '1',
    ESPALIER_LOG_LEVEL: 'error',
    // What another host answers, or doesn't, is no finding.
    ESPALIER_HUB_URL: 'off',
    DATABASE_URL: '',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = new Promise((resolve) => service.once('close', resolve));
// Made-up requests revoke the key that they are sent with, sooner or later: those about keys come last.
const KEYS = '^/api/v1/keys';
const given = process.argv.slice(2);
const passes = given.some((argument) => argument.startsWith('--include'))
  ? [[]]
  : [
      ['--exclude-path-regex', KEYS],
      ['--include-path-regex', KEYS],
    ];
try {
  const url = await serving();
  process.exitCode = Math.max(...passes.map((selection) => run(url, [...selection, ...given])));
} finally {
  service.kill('SIGTERM');
  await ended;
  rmSync(data, { recursive: true, force: true });
}

function run(url, selection) {
  const key = readFileSync(join(data, 'keys/admin.key'), 'utf8').trim();
  const options = ['--url', url, '--header', `Authorization: Bearer ${key}`, '--request-timeout', '60'];
  const amount = ['--phases', 'examples,coverage,fuzzing,stateful', '--max-examples', '25', '--seed', '1'];
  const { status } = spawnSync(
    program,
    [
      ...['--config-file', join(root, 'test/schemathesis/schemathesis.toml'), 'run', `${url}/openapi.json`],
      ...[...options, ...amount, '--continue-on-failure', '--suppress-health-check', 'all', ...selection],
    ],
    { cwd: data, stdio: 'inherit' },
  );
  return status ?? 1;
}

function serving() {
  return new Promise((resolve, reject) => {
    let output = '';
    service.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const url = /serves on (http:\S+)/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    void ended.then((code) => reject(new Error(`the service ended with ${code}`)));
  });
}

function installed() {
  const folder = join(root, 'node_modules/.cache', `schemathesis-${VERSION}`);
  const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
  const found = join(bin, process.platform === 'win32' ? 'schemathesis.exe' : 'schemathesis');
  if (existsSync(found)) return found;
  process.stdout.write(`Installing Schemathesis ${VERSION} …\n`);
  const python = process.platform === 'win32' ? 'python' : 'python3';
  const made =
    spawnSync(python, ['-m', 'venv', folder], { stdio: 'inherit' }).status === 0 &&
    spawnSync(join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`], {
      stdio: 'inherit',
    }).status === 0;
  if (made) return found;
  rmSync(folder, { recursive: true, force: true });
  process.stderr.write(
    "Schemathesis can't be installed here: it takes Python 3.10 or newer with venv and pip, and PyPI.\n",
  );
  process.exit(UNAVAILABLE);
}
