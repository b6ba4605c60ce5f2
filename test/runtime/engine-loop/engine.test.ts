/** Life in the engine: rows come, end, fail, leave, are stopped. What they compute is test/conformance's matter. */
import type { AdapterUse, EngineLimits, GenerationRequest } from '../../../src/engine/protocol.js';
import { GoldenCase } from '../../conformance/support/golden.js';
import { absentAdapter, LIMITS, request as plain, RunningEngine } from './support/running-engine.js';

let golden: GoldenCase;
let model: { digest: string; folder: string };
let running: RunningEngine;

beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  model = { digest: 'llama', folder: golden.checkpoint.folder };
});
afterAll(() => golden.remove());
afterEach(() => running.stop());

const request = (id: string, more: Partial<GenerationRequest> = {}): GenerationRequest => plain(id, model, more);
const path = () =>
  golden.uses([
    { node: 'one', weight: 1 },
    { node: 'one/two', weight: 1 },
  ]);

describe('endings', () => {
  beforeEach(() => {
    running = new RunningEngine();
  });

  test('as many tokens as were asked for', async () => {
    const { tokens, finish } = await running.run(request('r', { maxTokens: 5 }));
    expect(tokens).toHaveLength(5);
    expect(finish).toBe('length');
  });

  test('a stop token, which is reported; not before there are minTokens, and then another is drawn', async () => {
    const { tokens } = await running.run(request('free', { maxTokens: 6 }));
    const stop = tokens[2]!;
    const first = tokens.indexOf(stop);
    const stopped = await running.run(request('stopped', { maxTokens: 6, stopTokenIds: [stop] }));
    expect(stopped).toMatchObject({ tokens: tokens.slice(0, first + 1), finish: 'stop' });
    const barred = await running.run(request('barred', { maxTokens: 6, stopTokenIds: [stop], minTokens: 6 }));
    expect(barred.tokens).toHaveLength(6);
    expect(barred.tokens).not.toContain(stop);
    expect(barred.finish).toBe('length');
  });

  test('a row that only scores puts out its prompt, a row of one token nothing', async () => {
    const prompt = Array.from({ length: 50 }, (_, i) => (i * 7) % 83);
    const scored = await running.run(request('scored', { prompt, maxTokens: 0, scoreFrom: 10, logprobs: 2 }));
    const logprobs = scored.outputs.flatMap(({ promptLogprobs }) => promptLogprobs ?? []);
    expect(logprobs.map(({ token }) => token)).toEqual(prompt.slice(10));
    expect(logprobs.every(({ top }) => top.length === 2 && top[0]!.logprob >= top[1]!.logprob)).toBe(true);
    expect(scored).toMatchObject({ tokens: [], finish: 'length' });
    const one = await running.run(request('one', { prompt: [5], maxTokens: 0, scoreFrom: 1 }));
    expect(one.outputs).toEqual([{ id: 'one', finish: 'length' }]);
  });

  test('a seed gives the same tokens alone and in a crowd', async () => {
    const sampling = { ...request('').sampling, temperature: 1.5, seed: 42 };
    const alone = await running.run(request('alone', { sampling, maxTokens: 12 }));
    const crowd = ['a', 'b', 'c'].map((id, seed) =>
      running.run(request(id, { sampling: { ...sampling, seed }, maxTokens: 12, adapters: path() })),
    );
    const again = await running.run(request('again', { sampling, maxTokens: 12 }));
    expect(again.tokens).toEqual(alone.tokens);
    const others = await Promise.all(crowd);
    expect(new Set(others.map(({ tokens }) => tokens.join())).size).toBe(3);
  });
});

describe('a row that fails fails alone', () => {
  beforeEach(() => {
    running = new RunningEngine();
  });

  test.each<[string, Partial<GenerationRequest>, string, number, Record<string, unknown> | undefined]>([
    ['no prompt', { prompt: [] }, 'invalid_request', 400, undefined],
    ['a token past the vocabulary', { prompt: [1, 83] }, 'invalid_request', 400, undefined],
    ['a score of the first token', { scoreFrom: 0 }, 'invalid_request', 400, undefined],
    [
      'more positions than the model has',
      { maxTokens: 253 },
      'context_length_exceeded',
      400,
      { promptTokens: 4, maxTokens: 253, maxPositions: 256 },
    ],
    [
      'more ranks than the bank has',
      { adapters: [absentAdapter(40), absentAdapter(30)] },
      'rank_budget_exceeded',
      400,
      { rank: 70, rankBudget: 64 },
    ],
  ])('%s', async (_, more, code, status, details) => {
    const good = running.run(request('good', { maxTokens: 20, adapters: path() }));
    const bad = await running.run(request('bad', more));
    expect(bad.error).toMatchObject({ code, status });
    if (details !== undefined) expect(bad.error?.details).toEqual(details);
    expect((await good).finish).toBe('length');
  });

  test('an adapter that is not there', async () => {
    const good = running.run(request('good', { maxTokens: 20, adapters: path() }));
    const bad = await running.run(request('bad', { adapters: [...path(), absentAdapter(8)] }));
    expect(bad.tokens).toEqual([]);
    expect(bad.error).toMatchObject({ code: 'adapter_load_failed', status: 500 });
    expect(JSON.stringify(bad.error)).not.toMatch(/adapter_config|absent/);
    const failed = running.events.find(({ type }) => type === 'adapterFailed');
    expect(failed).toHaveProperty('reason', expect.stringContaining('adapter_config.json'));
    expect((await good).finish).toBe('length');
  });

  test('a model that is not there', async () => {
    const good = running.run(request('good', { maxTokens: 20 }));
    const bad = await running.run(plain('bad', { digest: 'none', folder: '/nowhere' }));
    expect(bad.error).toMatchObject({ code: 'model_load_failed', status: 500 });
    expect(JSON.stringify(bad.error)).not.toMatch(/nowhere|none/);
    const failed = running.events.find(({ type }) => type === 'loadFailed');
    expect(failed).toMatchObject({ digest: 'none', folder: '/nowhere' });
    expect(failed).toHaveProperty('reason', expect.stringContaining('/nowhere/'));
    expect((await good).finish).toBe('length');
  });

  test('keys and values beyond the budget', async () => {
    await running.stop();
    // 384 bytes a position: one row of 64 fits, one of 128 never will.
    running = new RunningEngine({ ...LIMITS, kvBudgetBytes: 384 * 64 });
    const bad = await running.run(request('bad', { maxTokens: 61 }));
    expect(bad.error).toMatchObject({
      code: 'kv_budget_exceeded',
      status: 400,
      details: { promptTokens: 4, maxTokens: 61, budgetBytes: 384 * 64 },
    });
    expect((await running.run(request('good', { maxTokens: 60 }))).finish).toBe('length');
  });
});

describe('cancelling', () => {
  test('a row of the batch, a waiting one, one that waits for its adapter, one that waits for its model', async () => {
    running = new RunningEngine({ ...LIMITS, maxRows: 1 });
    const { engine } = running;
    engine.submit(request('parked'));
    engine.cancel('parked');
    engine.submit(request('running', { maxTokens: 200 }));
    engine.submit(request('waiting', { maxTokens: 200 }));
    await running.until(() => running.outputs('running').length >= 3);
    engine.submit(request('loading', { adapters: golden.uses([{ node: 'other', weight: 1 }]) }));
    for (const id of ['running', 'waiting', 'loading', 'nobody']) engine.cancel(id);
    await running.run(request('last', { maxTokens: 2 }));
    for (const id of ['parked', 'waiting', 'loading']) expect(running.outputs(id)).toEqual([]);
    expect(running.outputs('running').length).toBeLessThan(200);
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0, kvBytes: 0, bankRanks: 0 });
  });
});

describe('reading ahead', () => {
  const [one, other] = ['one', 'other'].map((node) => () => golden.uses([{ node, weight: 1 }])) as [
    typeof path,
    typeof path,
  ];
  /** One row runs, for long, and these wait. */
  const behindALongRow = async (limits: Partial<EngineLimits>, waiting: Record<string, AdapterUse[]>) => {
    running = new RunningEngine({ ...LIMITS, maxRows: 1, ...limits });
    running.engine.submit(request('long', { maxTokens: 120 }));
    await running.until(() => running.outputs('long').length > 0);
    for (const [id, adapters] of Object.entries(waiting)) running.engine.submit(request(id, { adapters }));
  };

  test('what waiting rows lack is in host memory before they begin, and then nothing is read', async () => {
    await behindALongRow({}, { first: path(), second: other(), third: path() });
    await running.until(() => running.engine.stats.adapters.host.loads === 3);
    expect(running.outputs('long').length).toBeLessThan(120);
    for (const id of ['long', 'first', 'second', 'third']) expect((await running.ending(id)).finish).toBe('length');
    const { host, misses, bank } = running.engine.stats.adapters;
    expect({ loads: host.loads, misses, found: bank.hits + host.hits }).toEqual({ loads: 3, misses: 3, found: 2 });
  }, 30_000);

  test('as far as host memory has room; for a row that was cancelled meanwhile nothing more', async () => {
    const { bytes } = golden.adapter('one');
    await behindALongRow({ hostBudgetBytes: bytes }, { first: one(), cancelled: other(), last: one() });
    await running.until(() => running.engine.stats.adapters.host.loads === 1);
    await running.until(() => running.outputs('long').length > 60);
    running.engine.cancel('cancelled');
    for (const id of ['first', 'last']) expect((await running.ending(id)).finish).toBe('length');
    expect(running.engine.stats.adapters).toMatchObject({ misses: 1, host: { loads: 1, bytes } });
  }, 30_000);
});

test('after a burst on many adapters the bank gives memory back, and what runs meanwhile runs as it would alone', async () => {
  running = new RunningEngine({ ...LIMITS, maxRows: 25, prefillChunkTokens: 128, bankRankBudget: 512, restMs: 20 });
  const { engine } = running;
  const [use] = golden.uses([{ node: 'one', weight: 1 }]) as [AdapterUse];
  const bankBytes = (): number => engine.stats.adapters.bank.bytes;
  const steady = { adapters: [use], maxTokens: 240 };
  const alone = await running.run(request('alone', steady));
  const least = bankBytes();
  engine.submit(request('steady', steady));
  const burst = Array.from({ length: 24 }, (_, i) => `${use.digest} ${i}`);
  for (const digest of burst) engine.submit(request(digest, { adapters: [{ ...use, digest }], maxTokens: 60 }));
  let most = 0;
  await running.until(() => {
    most = Math.max(most, bankBytes());
    const { running: rows, adapters } = engine.stats;
    return adapters.misses === 25 && rows === 1;
  });
  expect(most).toBeGreaterThan(8 * least);
  await running.until(() => bankBytes() < 2 * least);
  expect(running.outputs('steady').length).toBeLessThan(240);
  expect((await running.ending('steady')).tokens).toEqual(alone.tokens);
  const again = await running.run(request('again', { ...steady, maxTokens: 20 }));
  expect(again.tokens).toEqual(alone.tokens.slice(0, 20));
}, 60_000);

describe('admission', () => {
  test('past its bound, while the model is loaded and later, requests are turned away', async () => {
    running = new RunningEngine({ ...LIMITS, maxRows: 1, maxWaiting: 2 });
    const submit = (ids: string[]) => ids.forEach((id) => running.engine.submit(request(id, { maxTokens: 30 })));
    submit(['a', 'b', 'c', 'd']);
    expect((await running.ending('d')).error).toMatchObject({ code: 'overloaded', status: 429 });
    await running.has('loaded');
    submit(['e']);
    const { error } = await running.ending('e');
    expect(error).toMatchObject({ code: 'overloaded', details: { rows: 3, limit: 3 } });
    expect(error?.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    for (const id of ['a', 'b', 'c']) expect((await running.ending(id)).finish).toBe('length');
    submit(['f']);
    expect((await running.ending('f')).finish).toBe('length');
  });

  test('a place that was cancelled is free at once', async () => {
    running = new RunningEngine({ ...LIMITS, maxRows: 1, maxWaiting: 0 });
    running.engine.load(model);
    await running.has('loaded');
    running.engine.submit(request('a', { maxTokens: 200 }));
    await running.until(() => running.outputs('a').length > 0);
    running.engine.cancel('a');
    expect((await running.run(request('b'))).finish).toBe('length');
  });
});

describe('models', () => {
  test('one is loaded while another runs, and both run in turn', async () => {
    running = new RunningEngine();
    const other = await GoldenCase.open('qwen2');
    const qwen = { digest: 'qwen2', folder: other.checkpoint.folder };
    const first = running.run(request('first', { maxTokens: 200 }));
    await running.until(() => running.outputs('first').length > 0);
    const second = await running.run(plain('second', qwen, { maxTokens: 4 }));
    expect(second.finish).toBe('length');
    expect((await first).tokens).toHaveLength(200);
    running.engine.load(qwen);
    const loads = running.events.flatMap((event) => (event.type === 'loaded' ? [event.digest] : []));
    expect(loads).toEqual(['llama', 'qwen2', 'qwen2']);
    await other.remove();
  });

  test('unloading gives up its rows, and a later request loads it again', async () => {
    running = new RunningEngine();
    running.engine.submit(request('a', { maxTokens: 200, adapters: path() }));
    await running.until(() => running.outputs('a').length > 0);
    running.engine.unload('llama');
    expect((await running.ending('a')).error).toMatchObject({ code: 'model_unloaded', status: 409 });
    await running.has('unloaded');
    expect(running.engine.stats).toMatchObject({ kvBytes: 0, bankRankBudget: 0, adapters: { host: { loads: 2 } } });
    expect((await running.run(request('b', { adapters: path() }))).finish).toBe('length');
  });
});

describe('shutdown', () => {
  test('lets rows of the batch end, and sends away those that have not begun, and later ones', async () => {
    running = new RunningEngine({ ...LIMITS, maxRows: 1 });
    running.engine.submit(request('running', { maxTokens: 60 }));
    running.engine.submit(request('waiting'));
    await running.until(() => running.outputs('running').length > 0);
    const stopped = running.stop(60_000);
    running.engine.submit(request('late'));
    for (const id of ['waiting', 'late']) {
      expect((await running.ending(id)).error).toMatchObject({ code: 'engine_stopping', status: 503 });
    }
    expect(await stopped).toMatchObject({ running: 0, waiting: 0, kvBytes: 0 });
    expect((await running.ending('running')).tokens).toHaveLength(60);
  });

  test('after the grace period gives up what is left', async () => {
    running = new RunningEngine();
    running.engine.submit(request('running', { maxTokens: 250, adapters: path() }));
    await running.until(() => running.outputs('running').length > 0);
    expect(await running.stop(0)).toMatchObject({ running: 0, kvBytes: 0 });
    expect((await running.ending('running')).error).toMatchObject({ code: 'engine_stopping' });
  });
});

test('statistics say what is held and what was done', async () => {
  running = new RunningEngine();
  const [one, two] = path().map(({ digest }) => digest);
  running.engine.submit(request('a', { maxTokens: 40, adapters: path() }));
  await running.until(() => running.outputs('a').length >= 2);
  expect(running.engine.stats).toMatchObject({
    running: 1,
    waiting: 0,
    kvBytes: 384 * 64,
    adapters: { bank: { adapters: 2, loads: 2, hits: 0 }, host: { adapters: 2, hits: 0 }, misses: 2 },
    runningAdapters: [one, two],
    waitingAdapters: [],
  });
  await running.ending('a');
  await running.has('stats');
  const stats = await running.stop();
  expect(stats).toMatchObject({
    promptTokens: 4,
    generatedTokens: 40,
    steps: 40,
    preemptions: 0,
    adapters: { host: { loads: 2 } },
  });
  expect(running.events.findLast((event) => event.type === 'stats')?.stats).toMatchObject({ generatedTokens: 40 });
});
