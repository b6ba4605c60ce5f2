/** More adapters than memory holds, through the engine process as it is built: bursts wait, and pinned ones stay. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { AdapterUse, GenerationRequest, RowOutput } from '../../src/engine/protocol.js';
import { EngineSupervisor } from '../../src/engine/supervisor.js';
import { GoldenCase } from '../conformance/support/golden.js';
import { LIMITS, request as plain } from '../runtime/engine-loop/support/running-engine.js';

const PROCESS_FILE = join(import.meta.dirname, '../../dist/engine/process.js');
const STARTS_WITHIN_MS = 60_000;

let golden: GoldenCase;
let model: { digest: string; folder: string };
let engine: EngineSupervisor;
beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  model = { digest: 'llama', folder: golden.checkpoint.folder };
});
afterEach(() => engine.stop(0));
afterAll(() => golden.remove());

const start = (limits: Partial<typeof LIMITS>): EngineSupervisor =>
  EngineSupervisor.start({ ...LIMITS, ...limits }, { logger: pino({ level: 'silent' }), processFile: PROCESS_FILE });

/** The same adapter under another digest, which is all that the engine knows it by. */
function copies(count: number): AdapterUse[] {
  const [use] = golden.uses([{ node: 'one', weight: 1 }]) as [AdapterUse];
  return Array.from({ length: count }, (_, i) => ({ ...use, digest: `${use.digest} ${i}` }));
}

async function read(request: GenerationRequest): Promise<RowOutput[]> {
  const outputs: RowOutput[] = [];
  for await (const output of engine.generate(request, new AbortController().signal)) outputs.push(output);
  return outputs;
}

const tokens = (outputs: readonly RowOutput[]): number[] =>
  outputs.flatMap(({ token }) => (token === undefined ? [] : [token]));

const request = (id: string, adapters: AdapterUse[], maxTokens = 8): GenerationRequest =>
  plain(id, model, { adapters, maxTokens, pathDigest: adapters.map(({ digest }) => digest).join() });

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

test(
  'a burst on more adapters than fit waits its turn: none fails, and what runs goes on as it would alone',
  async () => {
    const [steady, ...others] = copies(25) as [AdapterUse, ...AdapterUse[]];
    const { bytes } = golden.adapter('one');
    // Ranks for two adapters beside the one that runs, host memory for two.
    engine = start({ maxRows: 8, bankRankBudget: 3 * steady.rank, hostBudgetBytes: 2 * bytes });
    await engine.load(model);
    const alone = tokens(await read(request('alone', [steady], 200)));
    const running = read(request('running', [steady], 200));
    const burst = await Promise.all(others.map((use, i) => read(request(`burst ${i}`, [use]))));
    expect(burst.map((outputs) => outputs.at(-1)?.finish)).toEqual(others.map(() => 'length'));
    for (const outputs of burst) expect(tokens(outputs)).toEqual(tokens(burst[0] ?? []));
    expect(tokens(await running)).toEqual(alone);
    await until(() => engine.stats?.running === 0 && engine.stats.adapters.misses === 25);
    const { host, bank, misses, loadFailures } = engine.stats!.adapters;
    expect({ misses, loads: host.loads, loadFailures }).toEqual({ misses: 25, loads: 25, loadFailures: 0 });
    expect(host.evictions).toBeGreaterThan(0);
    expect(bank.evictions).toBeGreaterThan(0);
    // What waits may be held above the budget for a while; what is left in the end is within it.
    expect(host.bytes).toBeLessThanOrEqual(2 * bytes);
    expect(bank.adapters).toBeLessThanOrEqual(3);
  },
  STARTS_WITHIN_MS,
);

test(
  'pinned adapters are there before they are asked for, stay while others come and go, and come back with the process',
  async () => {
    const [pinned, other, ...rest] = copies(8) as [AdapterUse, AdapterUse, ...AdapterUse[]];
    const { bytes } = golden.adapter('one');
    engine = start({ hostBudgetBytes: 3 * bytes, bankRankBudget: pinned.rank });
    engine.pin(model.digest, [pinned, other]);
    await engine.load(model);
    const arePinned = (): boolean => engine.stats?.adapters.host.pinnedBytes === 2 * bytes;
    await until(arePinned);
    for (const [i, use] of rest.entries()) await read(request(`others ${i}`, [use]));
    await read(request('pinned', [pinned]));
    await until(() => engine.stats?.adapters.host.hits === 1);
    expect(engine.stats!.adapters).toMatchObject({
      misses: rest.length,
      host: { loads: rest.length + 2, hits: 1, pinnedBytes: 2 * bytes },
    });

    process.kill(engine.pid!, 'SIGKILL');
    await until(() => engine.state !== 'ready');
    await until(() => engine.state === 'ready' && arePinned());
    expect(engine.stats!.adapters.host).toMatchObject({ loads: 2, adapters: 2 });

    engine.pin(model.digest, [other]);
    await until(() => engine.stats?.adapters.host.pinnedBytes === bytes);
    for (const [i, use] of rest.entries()) await read(request(`again ${i}`, [use]));
    await read(request('other', [other]));
    await read(request('unpinned', [pinned]));
    await until(() => engine.stats?.adapters.misses === rest.length + 1);
    expect(engine.stats!.adapters.host.hits).toBe(1);
  },
  STARTS_WITHIN_MS,
);
