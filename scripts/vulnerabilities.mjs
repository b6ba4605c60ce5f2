// `npm run vulnerabilities`: asks the package registry which of the packages that run in production have known
// vulnerabilities. Exit code 0: none. 1: some, which are listed. 2: it can't be found out, and why: there is no network,
// or the registry (a mirror, for example) doesn't say. Arguments go to `npm audit`: `-- --audit-level=high`.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NPM = 'https://registry.npmjs.org';
const FOUND = 1;
const UNKNOWN = 2;

// An npm that is set to stay offline would ask nobody and find nothing.
const audit = spawnSync('npm', ['audit', '--omit=dev', '--json', ...process.argv.slice(2), '--offline=false'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
  shell: process.platform === 'win32',
});
const report = parse(audit.stdout);
if (report?.auditReportVersion === undefined) {
  process.stderr.write(`Whether packages have known vulnerabilities can't be checked: ${reason(report)}\n`);
  process.exit(UNKNOWN);
}

const { vulnerabilities } = report;
const lines = Object.values(vulnerabilities).map(describe);
if (lines.length === 0) {
  process.stdout.write(`No known vulnerabilities in ${report.metadata.dependencies.prod} packages.\n`);
} else {
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exit(audit.status === 0 ? 0 : FOUND);
}

/** `high  tar <6.2.1 (from npm > node-gyp): Denial of service … https://…; fixed by an update` */
function describe({ name, severity, range, via, fixAvailable }) {
  const reasons = via.map((each) => (typeof each === 'string' ? `by ${each}` : `${each.title} ${each.url}`));
  const fix = fixAvailable === false ? 'no fix yet' : 'an update mends it';
  return `${severity.padEnd(8)} ${name} ${range}: ${reasons.join('; ')} (${fix})`;
}

/** npm says what went wrong in one of two forms, or not in JSON at all. */
function reason(report) {
  if (audit.error) return `npm can't be run: ${audit.error.message}`;
  const said =
    report?.error?.summary || report?.message || audit.stderr.trim().split('\n')[0] || `npm ended with ${audit.status}`;
  const code = report?.error?.code ?? '';
  const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.test(
    `${code} ${said}`,
  );
  if (offline) return `the registry can't be reached (${said}).`;
  if (report?.uri) {
    const other = report.uri.startsWith(NPM) ? '' : ` Ask one that has: npm run vulnerabilities -- --registry=${NPM}`;
    return `the registry has no answer to give (${said}).${other}`;
  }
  return said;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
