/** The engine process as it is built and forked: dying, coming back, stopping, and ending with its parent. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { GenerationRequest, RowOutput } from '../../src/engine/protocol.js';
import { EngineSupervisor } from '../../src/engine/supervisor.js';
import { GoldenCase } from '../conformance/support/golden.js';
import { LIMITS, request as plain } from '../runtime/engine-loop/support/running-engine.js';

const ROOT = join(import.meta.dirname, '../..');
const PROCESS_FILE = join(ROOT, 'dist/engine/process.js');
const STARTS_WITHIN_MS = 60_000;

let golden: GoldenCase;
let model: { digest: string; folder: string };
let engine: EngineSupervisor;

beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  model = { digest: 'llama', folder: golden.checkpoint.folder };
});
afterAll(() => golden.remove());

const start = (limits = LIMITS): EngineSupervisor =>
  EngineSupervisor.start(limits, { logger: pino({ level: 'silent' }), processFile: PROCESS_FILE });
const request = (id: string, more: Partial<GenerationRequest> = {}): GenerationRequest => plain(id, model, more);

interface Reading {
  outputs: RowOutput[];
  error: unknown;
}

/** Reads to the end; `onOutput` sees each output. */
async function read(
  asked: GenerationRequest,
  onOutput: (output: RowOutput) => void | Promise<void> = () => undefined,
  signal = new AbortController().signal,
): Promise<Reading> {
  const outputs: RowOutput[] = [];
  try {
    for await (const output of engine.generate(asked, signal)) {
      outputs.push(output);
      await onOutput(output);
    }
    return { outputs, error: null };
  } catch (error) {
    return { outputs, error };
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const kill = (): void => {
  if (engine.pid !== undefined) process.kill(engine.pid, 'SIGKILL');
};

describe('a process that is killed', () => {
  beforeEach(() => {
    engine = start();
  });
  afterEach(() => engine.stop(0));

  test(
    'fails what ran and waited, is started again with its models, and serves as before',
    async () => {
      await engine.load(model);
      expect(engine.state).toBe('ready');
      const calm = await read(request('calm'));
      const first = engine.pid;
      // Other requests are in the process, so that no path is suspected.
      const beside = read(request('beside', { maxTokens: 250, pathDigest: 'another' }));
      let killed = false;
      const died = await read(request('died', { maxTokens: 250 }), () => {
        if (!killed) kill();
        killed = true;
      });
      expect(died.error).toMatchObject({ code: 'engine_died', status: 502, details: { how: 'SIGKILL' } });
      expect((await beside).error).toMatchObject({ code: 'engine_died' });
      expect(engine.state).toBe('restarting');
      expect([...engine.loadedModels]).toEqual([]);
      expect(engine.stats).toBeNull();

      const { error } = await read(request('meanwhile'));
      expect(error).toMatchObject({ code: 'engine_restarting', status: 503 });
      expect((error as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThanOrEqual(1);
      await engine.load(model); // Waits.
      expect(engine.state).toBe('ready');
      expect(engine.pid).not.toBe(first);
      expect([...engine.loadedModels]).toEqual(['llama']);
      expect(await read(request('calm'))).toEqual(calm);
    },
    STARTS_WITHIN_MS,
  );

  test(
    'twice with the same path alone in it: that path is not served for a while, others are',
    async () => {
      await engine.load(model);
      for (let time = 0; time < 2; time++) {
        await engine.load(model);
        expect((await read(request(`${time}`, { maxTokens: 250 }), kill)).error).toMatchObject({ code: 'engine_died' });
      }
      await engine.load(model);
      const { error } = await read(request('again'));
      expect(error).toMatchObject({ code: 'path_quarantined', status: 503, details: { deaths: 2 } });
      expect((await read(request('other', { pathDigest: 'another' }))).error).toBeNull();
    },
    STARTS_WITHIN_MS,
  );
});

describe('a process that lives', () => {
  beforeAll(async () => {
    engine = start({ ...LIMITS, maxRows: 2, maxWaiting: 1 });
    await engine.load(model);
  });
  afterAll(() => engine.stop(0));

  test('an aborted request ends quietly and gives its place to others', async () => {
    const leaving = new AbortController();
    const { outputs, error } = await read(request('a', { maxTokens: 250 }), () => leaving.abort(), leaving.signal);
    expect(error).toBeNull();
    expect(outputs).toHaveLength(1);
    expect(await read(request('b'), undefined, AbortSignal.abort())).toEqual({ outputs: [], error: null });
    for await (const output of engine.generate(request('c', { maxTokens: 250 }), new AbortController().signal)) {
      expect(output.finish).toBeUndefined();
      break;
    }
    await until(() => engine.stats?.running === 0);
    expect((await read(request('d'))).outputs.at(-1)?.finish).toBe('length');
  });

  test('turns away what is too much, with a time to come back', async () => {
    const four = await Promise.all(['a', 'b', 'c', 'd'].map((id) => read(request(id, { maxTokens: 50 }))));
    expect(four.slice(0, 3).map(({ error }) => error)).toEqual([null, null, null]);
    expect(four[3]!.error).toMatchObject({ code: 'overloaded', status: 429, details: { rows: 3, limit: 3 } });
    expect((four[3]!.error as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThanOrEqual(1);
  });

  test('a row that fails, and a model that cannot be loaded, leave it as it was', async () => {
    const pid = engine.pid;
    expect((await read(request('bad', { prompt: [1000] }))).error).toMatchObject({ code: 'invalid_request' });
    await expect(engine.load({ digest: 'none', folder: '/nowhere' })).rejects.toMatchObject({
      code: 'model_load_failed',
    });
    expect((await read(request('good'))).error).toBeNull();
    expect(engine.pid).toBe(pid);
    expect([...engine.loadedModels]).toEqual(['llama']);
  });

  test('a model is unloaded, and loaded again by the next request', async () => {
    await engine.unload('llama');
    expect([...engine.loadedModels]).toEqual([]);
    expect((await read(request('good'))).error).toBeNull();
    expect([...engine.loadedModels]).toEqual(['llama']);
  });

  test('an interrupt from the terminal is left to the service', async () => {
    const { pid } = engine;
    let interrupted = false;
    const { error, outputs } = await read(request('a', { maxTokens: 100 }), () => {
      if (!interrupted && pid !== undefined) process.kill(pid, 'SIGINT');
      interrupted = true;
    });
    expect(error).toBeNull();
    expect(outputs).toHaveLength(100);
  });
});

describe('stopping', () => {
  test(
    'lets the running row end, takes no more, and leaves nothing behind',
    async () => {
      engine = start();
      await engine.load(model);
      const pid = engine.pid ?? 0;
      const stops: Promise<void>[] = [];
      const { outputs, error } = await read(request('a', { maxTokens: 100 }), () => {
        stops.push(engine.stop(30_000));
      });
      expect(error).toBeNull();
      expect(outputs).toHaveLength(100);
      expect((await read(request('late'))).error).toMatchObject({ code: 'engine_stopping', status: 503 });
      await Promise.all(stops);
      expect(engine.state).toBe('stopped');
      expect(isAlive(pid)).toBe(false);
      await expect(engine.load(model)).rejects.toMatchObject({ code: 'engine_stopping' });
    },
    STARTS_WITHIN_MS,
  );

  test(
    'while the process is being started again, it is not started any more',
    async () => {
      engine = start();
      await engine.load(model);
      kill();
      await until(() => engine.state === 'restarting');
      await engine.stop(0);
      expect(engine.state).toBe('stopped');
      expect(engine.pid).toBeUndefined();
    },
    STARTS_WITHIN_MS,
  );
});

test(
  'ends with its parent, however that ends; and is found in a folder with a space in its name',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier with a space-'));
    await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
    await writeFile(
      join(folder, 'parent.mjs'),
      `import { EngineSupervisor } from './dist/engine/supervisor.js';
       import pino from 'pino';
       const engine = EngineSupervisor.start(${JSON.stringify(LIMITS)}, { logger: pino({ level: 'silent' }) });
       await engine.load(${JSON.stringify(model)});
       console.log(engine.pid);`,
    );
    const parent = spawn(process.execPath, [join(folder, 'parent.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid));
    await rm(folder, { recursive: true });
  },
  STARTS_WITHIN_MS,
);
