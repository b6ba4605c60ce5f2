/** `npm run vulnerabilities` against registries that answer, that refuse, and that aren't there. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const servers: Server[] = [];
let cache = '';
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'espalier npm '));
});
afterAll(async () => {
  servers.forEach((server) => server.close());
  await rm(cache, { recursive: true, force: true });
});

async function registry(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function run(registry: string): Promise<{ code: unknown; output: string }> {
  const script = join(root, 'scripts/vulnerabilities.mjs');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, `--registry=${registry}`, `--cache=${cache}`, '--fetch-retries=0'],
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
}

test('none are known', async () => {
  const { code, output } = await run(await registry((_request, response) => response.end('{}')));
  expect(output).toMatch(/^No known vulnerabilities in \d+ packages\.\n$/);
  expect(code).toBe(0);
}, 60_000);

test('some are known, and are listed', async () => {
  const url = await registry((request, response) => {
    const advisory = { id: 1, url: 'https://example.org/1', title: 'It leaks.', severity: 'high' };
    const found = { ulid: [{ ...advisory, vulnerable_versions: '<99', cwe: [], cvss: { score: 7 } }] };
    const name = decodeURIComponent(request.url?.slice(1) ?? '');
    const packument = { name, versions: { '99.0.0': { name, version: '99.0.0' } }, 'dist-tags': { latest: '99.0.0' } };
    const answer = request.method === 'POST' ? found : packument;
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  const { code, output } = await run(url);
  expect(output).toMatch(/^high +ulid .*It leaks\. https:\/\/example\.org\/1/m);
  expect(code).toBe(1);
}, 60_000);

test("it can't be found out", async () => {
  const refusing = await run(await registry((_request, response) => response.writeHead(405).end()));
  expect(refusing.output).toContain("can't be checked: the registry has no answer to give (405");
  expect(refusing.code).toBe(2);
  const absent = await run('http://127.0.0.1:9');
  expect(absent.output).toContain("can't be checked: the registry can't be reached");
  expect(absent.code).toBe(2);
}, 60_000);
