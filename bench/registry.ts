/**
 * The registry with a million nodes and revisions in PostgreSQL: how long a start takes and how much memory, then a page
 * of nodes at the start, in the middle and near the end, searches, a resolution, and a page over GraphQL, each as a client
 * sees it over HTTP; and what GraphQL takes beyond REST for one node.
 *
 * Rows are written by SQL into a database that is made for this and dropped at the end; they refer to blobs that aren't
 * there, which nothing here reads. A tree of three levels: 1000 nodes, 9 under each, 110 under each of those; one revision
 * a node, with a metric.
 *
 * Flags: --nodes=1000000, --calls=200; --keep=FOLDER leaves the database on the server and the service's data in that
 * folder, and takes both from there where they have as many nodes already. The server:
 * ESPALIER_BENCH_DATABASE_URL=postgresql://user@host:port/postgres, with the right to create databases.
 */
import pg from 'pg';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { flag, median, printTable, quantile, text } from './support/measure.js';
import { filledRegistry, fillRegistry, type Filled } from './support/registry-rows.js';
import { MeasuredService } from './support/service.js';
import { temporaryFolder } from './support/temporary-folder.js';

const NODES = flag('nodes', 1_000_000);
const CALLS = flag('calls', 200);
const BASE = fileURLToPath(new URL('../examples/storyteller/base', import.meta.url));
const BOOT_BAR_MS = 15_000;
const PAGE_BAR_MS = 50;
const SEARCH_BAR_MS = 200;

const server = process.env['ESPALIER_BENCH_DATABASE_URL'];
if (server === undefined || server === '') {
  process.stdout.write(
    'Left out: set ESPALIER_BENCH_DATABASE_URL to a PostgreSQL server on which a database can be made.\n',
  );
  process.exit(0);
}

const kept = text('keep');
const database = kept === null ? `espalier_bench_${process.pid}` : 'espalier_bench_kept';
const admin = new pg.Client({ connectionString: server });
await admin.connect();
const url = new URL(server);
url.pathname = `/${database}`;
const dataFolder = join(kept ?? (await temporaryFolder()), 'data');
const env = { DATABASE_URL: url.href, ESPALIER_IMPORT_ROOTS: BASE };
try {
  const filled = (await keptRegistry()) ?? (await newRegistry());

  const bootStart = performance.now();
  const service = await MeasuredService.start(dataFolder, env);
  const bootMs = performance.now() - bootStart;
  const processorMs = service.processorMs();
  const rss = residentBytes(service.pid);
  const page = (after: string) => `/api/v1/nodes?limit=100${cursorAfter(after)}`;
  const node = encodeURIComponent(filled.middle);
  const timed: [string, () => Promise<string>, number | null][] = [
    ['page of 100 nodes, at the start', () => service.text(page('')), PAGE_BAR_MS],
    ['page of 100 nodes, in the middle', () => service.text(page(filled.middle)), PAGE_BAR_MS],
    ['page of 100 nodes, near the end', () => service.text(page(filled.last)), PAGE_BAR_MS],
    ['search by text, one word', () => service.text(`/api/v1/search?text=${filled.rareWord}`), SEARCH_BAR_MS],
    ['search by text, a word of all', () => service.text(`/api/v1/search?text=${filled.commonWord}`), SEARCH_BAR_MS],
    ['search by tag', () => service.text(`/api/v1/search?tag=${filled.tag}`), SEARCH_BAR_MS],
    ['search by metric range', () => service.text(`/api/v1/search?metric=loss:0.5..0.5001`), SEARCH_BAR_MS],
    [
      'search under a node, by text',
      () => service.text(`/api/v1/search?under=${node}&text=${filled.commonWord}`),
      SEARCH_BAR_MS,
    ],
    ['resolve', () => service.text(`/api/v1/resolve?path=${encodeURIComponent(filled.leaf)}`), null],
    ['one node, REST', () => service.text(`/api/v1/nodes/${node}`), null],
    [
      'one node, GraphQL',
      () =>
        service.text('/graphql', {
          query: `{ node(node: "${filled.middle}") { ... on Node { id path version } } }`,
        }),
      null,
    ],
    [
      'page of 100 nodes with revisions and aliases, GraphQL',
      () =>
        service.text('/graphql', {
          query:
            '{ nodes(first: 100) { nodes { id path aliases { name } revisions(first: 5) { nodes { number } } } } }',
        }),
      null,
    ],
    ['liveness, which asks nothing', () => service.text('/health/live'), null],
  ];
  const rows: [string, string][] = [
    ['nodes and revisions', `${filled.nodes.toLocaleString('en')} each`],
    ['start to serving', `${seconds(bootMs)}${against(bootMs, BOOT_BAR_MS)}`],
    ['processor time of the service until then', seconds(processorMs)],
    ['resident memory after the start', `${Math.round(rss / 2 ** 20)} MB`],
  ];
  for (const [label, call, bar] of timed) {
    const samples = await timings(call);
    const p95 = quantile(Float64Array.from(samples), 0.95);
    rows.push([label, `median ${ms(median(samples))}, p95 ${ms(p95)}${bar === null ? '' : against(p95, bar)}`]);
  }
  printTable(rows);
  await service.stop();
} finally {
  if (kept === null) await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await admin.end();
}

/** What an earlier run left, if it is as large as this one's. */
async function keptRegistry(): Promise<Filled | null> {
  if (kept === null) return null;
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  return rowCount === 0 ? null : filledRegistry(url.href, NODES);
}

async function newRegistry(): Promise<Filled> {
  await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${database}`);
  await rm(dataFolder, { recursive: true, force: true });
  // The model, and the schema.
  const first = await MeasuredService.start(dataFolder, env);
  await first.text('/api/v1/models', { name: 'base', folder: BASE });
  await first.stop();
  return fillRegistry(url.href, NODES);
}

async function timings(call: () => Promise<string>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < CALLS + 5; i++) {
    const start = performance.now();
    await call();
    // The first ones warm connections and caches.
    if (i >= 5) samples.push(performance.now() - start);
  }
  return samples;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

/** Cursors are opaque to clients; a benchmark may know that they stand for a path. */
function cursorAfter(path: string): string {
  return path === '' ? '' : `&cursor=${Buffer.from(path).toString('base64url')}`;
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function against(value: number, bar: number): string {
  return ` (bar ${bar >= 1000 ? seconds(bar) : ms(bar)}: ${value <= bar ? 'met' : 'missed'})`;
}
