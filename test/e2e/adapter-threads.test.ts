/** Adapters read in threads of their own, as the engine process has them: built, with real threads. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AdapterLoaderThreads, IN_THIS_THREAD, loadFailure } from '../../src/engine/adapter-loader.js';
import { reasonsOf } from '../../src/errors/espalier-error.js';
import type { AdapterUse } from '../../src/engine/protocol.js';
import { GoldenCase } from '../conformance/support/golden.js';

const WORKER = pathToFileURL(join(import.meta.dirname, '../../dist/engine/adapter-loader.worker.js')).href;

let golden: GoldenCase;
let uses: AdapterUse[];
let threads: AdapterLoaderThreads;
beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  uses = golden.uses([...golden.adapters.keys()].map((node) => ({ node, weight: 1 })));
  threads = new AdapterLoaderThreads(WORKER);
});
afterAll(async () => {
  await threads.close();
  await golden.remove();
});

test('a thread reads what this thread reads, into one buffer that is moved', async () => {
  expect(uses.length).toBeGreaterThan(1);
  const { config } = golden.checkpoint;
  const read = await Promise.all(uses.map((use) => threads.load(use, config)));
  for (const [index, adapter] of read.entries()) {
    expect(adapter).toEqual(await IN_THIS_THREAD.load(uses[index]!, config));
    expect(adapter.digest).toBe(uses[index]!.digest);
    const buffers = new Set([...adapter.deltas.values()].flatMap(({ a, b }) => [a.buffer, b.buffer]));
    expect([...buffers].map(({ byteLength }) => byteLength)).toEqual([adapter.bytes]);
  }
});

test('what is wrong with an adapter is known to both, and what callers are told names no file', async () => {
  const [use] = uses as [AdapterUse];
  const absent = { ...use, weightsFile: '/absent/w.safetensors' };
  const errors = await Promise.all(
    [threads, IN_THIS_THREAD].map((loader) =>
      loader.load(absent, golden.checkpoint.config).then(
        () => null,
        (error: unknown) => error,
      ),
    ),
  );
  expect(reasonsOf(errors[0])).toMatch(
    /^adapter_model\.safetensors is missing\. — ENOENT: .*\/absent\/w\.safetensors'$/,
  );
  for (const error of errors) {
    expect(error).toMatchObject({ code: 'invalid_file', message: 'adapter_model.safetensors is missing.' });
    const told = loadFailure(error).toShape();
    expect(told).toMatchObject({ code: 'adapter_load_failed', status: 500, details: undefined });
    expect(JSON.stringify(told)).not.toMatch(/absent|safetensors/);
  }
});

test('what was asked for is read while this thread is busy', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-threads-'));
  const worker = join(folder, 'worker.mjs');
  await writeFile(
    worker,
    `import load from ${JSON.stringify(WORKER)};
     import { writeFileSync } from 'node:fs';
     export default async (task) => {
       const read = await load(task);
       writeFileSync(${JSON.stringify(folder)} + '/' + task.adapter.digest + '.done', '');
       return read;
     };`,
  );
  const busy = new AdapterLoaderThreads(pathToFileURL(worker).href);
  try {
    const { config } = golden.checkpoint;
    const [use] = uses as [AdapterUse];
    await busy.load({ ...use, digest: 'first' }, config);
    const loads = ['a', 'b', 'c', 'd'].map((digest) => busy.load({ ...use, digest }, config));
    const read = (): number => readdirSync(folder).filter((name) => name.endsWith('.done')).length;
    const isIdle = new Int32Array(new SharedArrayBuffer(4));
    for (let waits = 0; read() < 5 && waits < 200; waits++) Atomics.wait(isIdle, 0, 0, 50);
    expect(read()).toBe(5);
    expect(await Promise.all(loads)).toHaveLength(4);
  } finally {
    await busy.close();
    await rm(folder, { recursive: true });
  }
}, 30_000);

test('a thread that dies fails the load that killed it, and what it had beside is read by another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-threads-'));
  const worker = join(folder, 'worker.mjs');
  await writeFile(
    worker,
    `import load from ${JSON.stringify(WORKER)};
     export default (task) => (task.adapter.digest === 'deadly' ? process.exit(3) : load(task));`,
  );
  const mortal = new AdapterLoaderThreads(pathToFileURL(worker).href);
  try {
    const { config } = golden.checkpoint;
    const [use] = uses as [AdapterUse];
    for (let time = 0; time < 3; time++) {
      const deadly = { ...use, digest: 'deadly' };
      const [died, ...others] = await Promise.allSettled([
        mortal.load(deadly, config),
        mortal.load(use, config),
        mortal.load(use, config),
      ]);
      expect(died.status).toBe('rejected');
      const failure = loadFailure((died as PromiseRejectedResult).reason);
      expect(failure).toMatchObject({ code: 'adapter_load_failed', status: 500 });
      expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    }
  } finally {
    await mortal.close();
    await rm(folder, { recursive: true });
  }
}, 30_000);
