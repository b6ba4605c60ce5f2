/** Bytes in and out by `espalier`: push, pull, export, import. */
import { jest } from '@jest/globals';
import { once } from 'node:events';
import { appendFile, copyFile, mkdir, mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cli } from './support/cli.js';
import { FakeHub } from './support/fake-hub.js';
import { until } from './support/processes.js';
import { BASE, startWithSmallTree, type SmallTree } from './support/small-tree.js';

const WEIGHTS = 'adapter_model.safetensors';
const FILES = ['adapter_config.json', WEIGHTS];

// Each command is a process of its own, and machines that run tests are slow.
jest.setTimeout(300_000);

let hub: FakeHub;
let tree: SmallTree;
let cli: Cli;
beforeAll(async () => {
  hub = await FakeHub.start();
  tree = await startWithSmallTree({ ESPALIER_HUB_URL: hub.url, ESPALIER_HUB_CDNS: hub.cdnUrl });
  cli = new Cli(tree);
}, 130_000);
afterAll(async () => {
  hub.close();
  await tree.service.remove();
});

const folder = (name: string): Promise<string> => mkdtemp(join(tree.folder, name));
const same = async (a: string, b: string): Promise<boolean> =>
  Buffer.compare(await readFile(a), await readFile(b)) === 0;

describe('push', () => {
  it('says so where folder and path have changed places', async () => {
    const { code, stderr } = await cli.run(['push', 'story/twisted', tree.folder]);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`push ${tree.folder} story/twisted`) as string,
    });
  });

  it('keeps an upload out of memory', async () => {
    const large = await folder('large ');
    await copyFile(join(tree.folder, '0', FILES[0]!), join(large, FILES[0]!));
    await writeFile(join(large, WEIGHTS), '');
    await truncate(join(large, WEIGHTS), 600e6);
    const child = cli.start(['push', large, 'story/large']);
    let errors = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
    let peakKb = 0;
    const ended = once(child, 'close');
    while (child.exitCode === null && process.platform === 'linux') {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
      peakKb = Math.max(peakKb, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0));
      await sleep(50);
    }
    const [code] = (await ended) as [number];
    expect({ code, errors }).toEqual({ code: 1, errors: expect.stringContaining(WEIGHTS) as string });
    expect(peakKb).toBeLessThan(300_000);
  });

  it('has the service fetch from the hub, with the token of the environment', async () => {
    const token = 'hf_good';
    const files = Object.fromEntries(
      await Promise.all(
        FILES.map(async (name) => [`lora/${name}`, await readFile(join(tree.folder, '0', name))] as const),
      ),
    );
    hub.repos['team/adapter'] = { files, revisions: { main: '2'.repeat(40), v1: '1'.repeat(40) }, token };
    const args = ['push', '--hub', 'team/adapter@v1', '--hub-folder', 'lora', 'story/hub'];
    expect((await cli.run(args)).code).not.toBe(0);
    const pushed = await cli.run(args, { env: { HF_TOKEN: token } });
    expect(pushed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^story\/hub@1 {2}rank 2, /) as string });
    expect(await cli.print('show', 'story/hub')).toContain(`${hub.url}/team/adapter at ${'1'.repeat(40)}`);
    expect((await cli.run(['push', '--hub', 'team/adapter@', 'story/hub'])).code).toBe(2);
  });

  it('stops at Ctrl-C, and leaves nothing', async () => {
    const large = join(tree.folder, (await readdir(tree.folder)).find((name) => name.startsWith('large ')) ?? '');
    const arriving = join(tree.service.dataFolder, 'blobs', 'tmp');
    expect(await readdir(arriving)).toEqual([]);
    const child = cli.start(['push', large, 'story/large']);
    await until(async () => (await readdir(arriving)).length > 0);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect((await cli.run(['nodes', 'show', 'story/large'])).code).toBe(5);
  });
});

/** A service keeps the connection of an answer that nobody reads for longer. */
const SOON_MS = 30_000;

describe('pull', () => {
  it('gives a revision as it was pushed, and fetches nothing twice', async () => {
    const to = await folder('pulled ');
    expect(await cli.print('pull', 'story/french', to)).toContain(`story/french@1 is in ${to}`);
    for (const name of FILES) expect(await same(join(to, name), join(tree.folder, '0', name))).toBe(true);
    const asked = Date.now();
    expect(await cli.print('pull', 'story/french@1', to)).toContain('already');
    expect(Date.now() - asked).toBeLessThan(SOON_MS);
    expect(await readdir(to)).toEqual(FILES);
    expect(await cli.run(['pull', 'story/french@7', to])).toMatchObject({ code: 5 });
    expect(await cli.run(['pull', 'story', to])).toMatchObject({ code: 5 });
  });

  it('overwrites nothing unless it is told to', async () => {
    const to = await folder('pulled ');
    await writeFile(join(to, WEIGHTS), 'mine');
    const asked = Date.now();
    expect(await cli.run(['pull', 'story/french', to])).toMatchObject({ code: 2 });
    expect(Date.now() - asked).toBeLessThan(SOON_MS);
    expect(await readFile(join(to, WEIGHTS), 'utf8')).toBe('mine');
    await cli.print('pull', 'story/french', to, '--force');
    expect(await same(join(to, WEIGHTS), join(tree.folder, '0', WEIGHTS))).toBe(true);
  });

  it('goes on where it was cut, and sees where what it had was wrong', async () => {
    const whole = await folder('pulled ');
    await cli.print('pull', 'story/french', whole);
    const { etag } = Object.fromEntries(
      (await tree.service.fetch(await filesRoute('story/french', WEIGHTS))).headers.entries(),
    ) as { etag: string };
    const bytes = await readFile(join(whole, WEIGHTS));
    const part = `.${WEIGHTS}.${etag.replaceAll('"', '')}.part`;
    const to = await folder('pulled ');
    for (const [begun, code] of [
      [bytes.subarray(0, 1000), 0],
      [bytes, 0],
      [Buffer.alloc(1000), 1],
      [bytes.subarray(0, 0), 0],
    ] as const) {
      await mkdir(to, { recursive: true });
      const target = await folder('pulled ');
      await writeFile(join(target, part), begun);
      expect((await cli.run(['pull', 'story/french', target])).code).toBe(code);
      expect((await readdir(target)).includes(part)).toBe(false);
      if (code === 0) expect(await same(join(target, WEIGHTS), join(whole, WEIGHTS))).toBe(true);
    }
    // Of another revision: it is of no use.
    const other = await folder('pulled ');
    await writeFile(join(other, `.${WEIGHTS}.${'0'.repeat(64)}.part`), bytes.subarray(0, 1000));
    await cli.print('pull', 'story/french', other);
    expect(await readdir(other)).toEqual(FILES);
  });
});

async function filesRoute(path: string, name: string): Promise<string> {
  const [revision] = await cli.json<{ id: string }[]>('revisions', path);
  return `/api/v1/revisions/${revision!.id}/files/${name}`;
}

it('exports what a path sums to as one adapter, which can be pushed', async () => {
  const to = await folder('exported ');
  expect(await cli.print('export', 'story/french:0.5/verne', to)).toContain('as one adapter');
  expect(await cli.print('push', to, 'story/sum')).toMatch(/^story\/sum@1 {2}rank 4,/);
  expect(await cli.run(['export', 'story/french/verne', to])).toMatchObject({ code: 2 });
  expect(await cli.run(['export', 'story', await folder('exported ')])).toMatchObject({ code: 1 });
});

it('imports a model in view, and says what is wrong with one', async () => {
  const lines = async (json: object): Promise<Record<string, unknown>[]> => {
    const headers = { accept: 'application/jsonl' };
    const answer = await tree.service.fetch('/api/v1/models', { json, headers });
    return (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const all = await lines({ name: 'watched', folder: BASE });
  expect(all.at(-1)).toMatchObject({ model: { name: 'watched', unchanged: false } });
  for (const { progress } of all.slice(0, -1)) {
    const { bytes, totalBytes } = progress as { bytes: number; totalBytes: number };
    expect(bytes).toBeLessThanOrEqual(totalBytes);
  }
  expect(await cli.print('models', 'import', BASE, '--name', 'watched')).toMatch(/imported already/);

  const broken = await folder('broken ');
  for (const name of await readdir(BASE)) await copyFile(join(BASE, name), join(broken, name));
  await appendFile(join(broken, 'config.json'), '}');
  expect(await cli.run(['models', 'import', broken, '--name', 'broken'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('config.json') as string,
  });
  expect(await cli.run(['models', 'import', '/nowhere', '--name', 'broken'])).toMatchObject({ code: 4 });
  expect(await cli.run(['models', 'import', join(tree.folder, 'missing')])).toMatchObject({ code: 5 });
});
