/** The service as a process: start, stop, crash, signals. */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onPostgres } from './support/postgres.js';
import { childOf, processesWith, until } from './support/processes.js';
import { REPOSITORY, TestService } from './support/service.js';
import { startWithSmallTree } from './support/small-tree.js';

jest.setTimeout(180_000);

const MAIN = join(REPOSITORY, 'dist/main.js');

/** A second process with the service's environment or a changed one, to its end. */
function runToEnd(service: TestService, env: Record<string, string> = {}): { status: number | null; text: string } {
  const run = spawnSync(process.execPath, [MAIN], {
    cwd: REPOSITORY,
    env: { ...service.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status: run.status, text: run.stderr };
}

async function serves(service: TestService): Promise<boolean> {
  return (await service.call('/health/live', { key: null })).status === 200;
}

describe('a running service', () => {
  // In the environment of the service and of all that it starts.
  const mark = `mark-${randomUUID()}`;
  let service: TestService;
  beforeAll(async () => {
    ({ service } = await startWithSmallTree({ ESPALIER_TEST_MARK: mark, ESPALIER_SHUTDOWN_GRACE_MS: '2000' }));
  });
  afterAll(() => service.remove());

  async function nothingIsLeft(): Promise<void> {
    expect(processesWith(mark)).toEqual([]);
    expect(await readdir(service.dataFolder)).not.toContain('lock');
  }

  it('keeps its folder to itself: a second one says who holds it, and stops', async () => {
    const { status, text } = runToEnd(service);
    expect(status).toBe(1);
    expect(text).toContain(service.dataFolder);
    expect(text).toContain(`process ${service.pid}`);
    expect(text).not.toContain('    at ');
    expect(await serves(service)).toBe(true);
  });

  it('that is killed loses neither keys nor tree, and leaves no process', async () => {
    const keys = service.keys;
    const nodes = async () => (await service.call<{ data: object[] }>('/api/v1/nodes?limit=100')).body.data;
    const tree = await nodes();
    expect(tree.length).toBeGreaterThan(3);
    expect((await service.kill9()).signal).toBe('SIGKILL');
    await until(() => processesWith(mark).length === 0);
    await service.launch();
    expect(service.keys).toEqual(keys);
    expect(await nodes()).toEqual(tree);
    const json = { model: 'story/french/verne', prompt: 'The', max_tokens: 2 };
    expect((await service.call('/v1/completions', { json })).status).toBe(200);
  });

  it('lets streams end, and then ends itself with all that it started', async () => {
    const response = await service.fetch('/v1/completions', {
      key: service.keys.infer,
      json: { model: 'story/french/verne', prompt: 'The', max_tokens: 400, n: 8, stream: true },
    });
    expect(response.status).toBe(200);
    const text = response.text();
    expect(processesWith(mark).length).toBeGreaterThan(1);
    expect(await service.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await text).toMatch(/data: \[DONE\]|"error":/);
    await nothingIsLeft();
  });

  it('takes the same signal twice at once for one', async () => {
    await service.launch();
    service.signal('SIGINT');
    service.signal('SIGINT');
    expect(await service.stop('SIGINT')).toEqual({ code: 0, signal: null });
    await nothingIsLeft();
  });

  it('ends at once at a second signal, even with an engine that doesn’t answer', async () => {
    await service.launch();
    const [engine] = processesWith(mark).filter((pid) => pid !== service.pid);
    // An engine was started, so there is one.
    process.kill(engine!, 'SIGSTOP');
    service.signal('SIGTERM');
    await until(() => service.output.includes('Stopping'));
    await sleep(1_200);
    expect(await service.stop('SIGTERM')).toEqual({ code: 1, signal: null });
    await until(() => processesWith(mark).length === 0);
    await nothingIsLeft();
  });
});

describe('a start', () => {
  const services: TestService[] = [];
  afterEach(async () => {
    for (const service of services.splice(0)) await service.remove();
  });

  async function prepare(): Promise<{ service: TestService; mark: string }> {
    const mark = `mark-${randomUUID()}`;
    const service = await TestService.prepare({ env: { ESPALIER_TEST_MARK: mark } });
    services.push(service);
    return { service, mark };
  }

  it('on a port that is taken says which variable chooses another', async () => {
    const { service } = await prepare();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    const { status, text } = runToEnd(service, { ESPALIER_PORT: port });
    other.close();
    expect(status).toBe(1);
    expect(text).toContain(`Port ${port}`);
    expect(text).toContain('ESPALIER_PORT');
  });

  it('with a variable that makes no sense names it', async () => {
    const { service } = await prepare();
    const { status, text } = runToEnd(service, { ESPALIER_PORT: 'eighty' });
    expect({ status, named: text.includes('ESPALIER_PORT') }).toEqual({ status: 1, named: true });
  });

  it('in production wants a database server', async () => {
    const { service } = await prepare();
    const { status, text } = runToEnd(service, { NODE_ENV: 'production', DATABASE_URL: '' });
    expect({ status, named: text.includes('DATABASE_URL') }).toEqual({ status: 1, named: true });
    expect(await readdir(service.dataFolder)).toEqual([]);
  });

  it('that is broken off leaves nothing that the next one stumbles over', async () => {
    const { service, mark } = await prepare();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      // It begins anew, so that the database is what is being made.
      await rm(join(service.dataFolder, 'database'), { recursive: true, force: true });
      const launch = service.launch();
      launch.catch(() => undefined);
      const begun = onPostgres ? /^lock$/ : /^database/;
      await until(async () => (await readdir(service.dataFolder)).some((name) => begun.test(name)));
      service.signal(signal);
      await expect(launch).rejects.toThrow();
      await service.ended();
      expect(processesWith(mark)).toEqual([]);
    }
    await service.launch();
    expect(await serves(service)).toBe(true);
  });

  it('whose output nobody reads any more ends in order all the same', async () => {
    const { service } = await prepare();
    const child = spawn(process.execPath, [MAIN], { env: service.env, stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await readdir(service.dataFolder)).not.toContain('lock');
  });

  /** npm, its shell if it keeps one, and the service, as `npm start` makes them, without building anything. */
  async function underNpm(service: TestService): Promise<ChildProcess> {
    const project = join(service.dataFolder, 'project');
    await mkdir(project, { recursive: true });
    await writeFile(
      join(project, 'package.json'),
      JSON.stringify({ name: 'start', version: '1.0.0', scripts: { start: `node ${JSON.stringify(MAIN)}` } }),
    );
    const npm = spawn('npm', ['start'], {
      cwd: project,
      env: { ...service.env, ESPALIER_DATA: join(service.dataFolder, 'data') },
      stdio: ['ignore', 'pipe', 'ignore'],
      // A process group of its own, as a terminal's foreground job is.
      detached: true,
    });
    let output = '';
    npm.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await until(() => output.includes('serves on') || npm.exitCode !== null);
    expect(output).toContain('serves on');
    return npm;
  }

  it('under npm ends with npm, with its shell, and with the whole terminal job', async () => {
    const { service, mark } = await prepare();
    // Running, npm and its child have pids. Of a whole job, npm gets the signal too and passes it on once more.
    const ways: ((npm: ChildProcess) => void)[] = [
      (npm) => npm.kill('SIGTERM'),
      (npm) => process.kill(childOf(npm.pid!)!, 'SIGTERM'),
      (npm) => process.kill(-npm.pid!, 'SIGINT'),
    ];
    try {
      for (const way of ways) {
        way(await underNpm(service));
        await until(() => processesWith(mark).length === 0);
      }
    } finally {
      for (const pid of processesWith(mark)) process.kill(pid, 'SIGKILL');
    }
  });
});
