/** The service's side of an engine process: here a stand-in that answers commands without a model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { EngineSupervisor } from '../../../src/engine/supervisor.js';
import { request } from './support/requests.js';

/** Puts out one token of each request, and reports as steps how many were cancelled. */
const STAND_IN = `
let cancelled = 0;
process.on('disconnect', () => process.exit(0));
process.on('message', (command) => {
  if (command.type === 'configure') process.send({ type: 'ready' });
  if (command.type === 'submit') process.send({ type: 'outputs', rows: [{ id: command.request.id, token: 1 }] });
  if (command.type === 'cancel') process.send({ type: 'stats', stats: { steps: ++cancelled } });
  if (command.type === 'shutdown') process.exit(0);
});
`;

const LIMITS = {
  maxRows: 1,
  maxWaiting: 0,
  prefillChunkTokens: 8,
  kvBudgetBytes: 1e6,
  bankRankBudget: 8,
  hostBudgetBytes: 1e6,
  threads: 1,
};

const start = (processFile: string): EngineSupervisor =>
  EngineSupervisor.start(LIMITS, { logger: pino({ level: 'silent' }), processFile });

let folder: string;
let engine: EngineSupervisor;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-supervisor-'));
});
afterEach(async () => {
  await engine.stop(0);
  rmSync(folder, { recursive: true });
});

test('an aborted request leaves at once, even if its reader asks for nothing more', async () => {
  const processFile = join(folder, 'process.cjs');
  writeFileSync(processFile, STAND_IN);
  engine = start(processFile);
  const gone = new AbortController();
  const outputs = engine.generate(request('r', 4, 8), gone.signal);
  expect((await outputs.next()).value).toEqual({ id: 'r', token: 1 });
  gone.abort();
  while (engine.stats === null) await sleep(5);
  expect(engine.stats.steps).toBe(1);
  // Its place is free, which is the only one.
  const next = engine.generate(request('next', 4, 8), new AbortController().signal);
  expect((await next.next()).value).toEqual({ id: 'next', token: 1 });
  await next.return();
  expect(await outputs.next()).toEqual({ value: undefined, done: true });
});

test('a process that Node refuses to start is tried again later', async () => {
  // Stands for want of memory, which is thrown as well.
  engine = start('a name that no file can have: \0');
  expect(engine.state).toBe('restarting');
  const outputs = engine.generate(request('r', 4, 8), new AbortController().signal);
  await expect(outputs.next()).rejects.toMatchObject({ code: 'engine_restarting' });
});
