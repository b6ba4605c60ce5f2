/** Generation through the engine's loop: the tokens that transformers + PEFT choose, and their log-probabilities. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '../../../src/engine/engine.js';
import type {
  AdapterUse,
  EngineEvent,
  EngineLimits,
  EngineStats,
  GenerationRequest,
  RowOutput,
} from '../../../src/engine/protocol.js';
import { linearModules } from '../../../src/formats/checkpoint/modules.js';
import { readAdapter } from '../../../src/formats/peft/read-adapter.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { type TestDevice, testDevice } from '../support/devices.js';
import { LIMITS } from '../support/driven-row.js';
import { gather, type Generated, goldenLogprobs, greedyRequest } from '../support/generation.js';
import { CASES, type Expectation, GoldenCase } from '../support/golden.js';

/** Submits all at once, and ends the engine when each has finished or failed. */
async function generate(
  requests: readonly GenerationRequest[],
  limits: EngineLimits = LIMITS,
  device: TestDevice = 'cpu',
): Promise<{ rows: Map<string, Generated>; events: EngineEvent[] }> {
  const events: EngineEvent[] = [];
  const outputs = () => events.flatMap((event) => (event.type === 'outputs' ? event.rows : []));
  let done: () => void;
  const all = new Promise<void>((resolve) => (done = resolve));
  let left = requests.length;
  const emit = (event: EngineEvent) => {
    events.push(event);
    if (event.type !== 'outputs') return;
    left -= event.rows.filter(({ finish, error }) => finish !== undefined || error !== undefined).length;
    if (left === 0) done();
  };
  const engine = new Engine(limits, emit, undefined, testDevice(device));
  for (const request of requests) engine.submit(request);
  await all;
  await engine.shutdown(0);
  return { rows: gather(outputs()), events };
}

/** The same, of whom one goes away once it has had some tokens. All have their adapters in memory from the start. */
async function generateUntil(
  requests: readonly GenerationRequest[],
  limits: EngineLimits,
  device: TestDevice,
  { cancel, afterTokens, next }: { cancel: string; afterTokens: number; next: string },
): Promise<{ rows: Map<string, Generated>; states: Record<'before' | 'after' | 'end', EngineStats> }> {
  const outputs: RowOutput[] = [];
  const states: Partial<Record<'before' | 'after' | 'end', EngineStats>> = {};
  let done: () => void;
  let left: number;
  const end = (rows: number): Promise<void> => {
    left = rows;
    return new Promise((resolve) => (done = resolve));
  };
  const emit = (event: EngineEvent) => {
    if (event.type !== 'outputs') return;
    outputs.push(...event.rows);
    const tokens = outputs.filter(({ id, token }) => id === cancel && token !== undefined).length;
    if (states.before === undefined && tokens === afterTokens) {
      states.before = engine.stats;
      engine.cancel(cancel);
    }
    if (event.rows.some(({ id }) => id === next)) states.after ??= engine.stats;
    left -= event.rows.filter(({ finish, error }) => finish !== undefined || error !== undefined).length;
    if (left === 0) done();
  };
  const engine = new Engine(limits, emit, undefined, testDevice(device));
  const warm = end(requests.length);
  for (const request of requests) engine.submit({ ...request, id: `${request.id}, warm`, maxTokens: 1 });
  await warm;
  const all = end(requests.length - 1);
  for (const request of requests) engine.submit(request);
  await all;
  states.end = engine.stats;
  await engine.shutdown(0);
  return { rows: gather(outputs), states: states as Required<typeof states> };
}

function expectGolden(
  golden: GoldenCase,
  rows: ReadonlyMap<string, Generated>,
  expectations: readonly Expectation[] = golden.expectations,
): void {
  for (const expectation of expectations) {
    const row = rows.get(greedyRequest(golden, expectation).id);
    expect(row?.error).toBeUndefined();
    expect(row?.tokens.slice(0, expectation.greedy.length)).toEqual(expectation.greedy);
    expect(row?.finish).toBe('length');
    const expected = goldenLogprobs(golden, expectation);
    expect(row?.logprobs).toHaveLength(expectation.prompt.length - 1 + row!.tokens.length);
    for (const [i, logprob] of expected.entries())
      expect(Math.abs(row!.logprobs[i]! - logprob)).toBeLessThanOrEqual(1e-4);
  }
}

export function engineTests(device: TestDevice): void {
  const thorough = device === 'cpu';
  const cases: GoldenCase[] = [];
  beforeAll(async () => {
    for (const name of CASES) cases.push(await GoldenCase.open(name));
  });
  afterAll(async () => {
    for (const golden of cases) await golden.remove();
  });
  /** Elsewhere no path and the deepest, with one prompt. */
  const tried = ({ expectations }: GoldenCase) => expectations.filter((_, i) => thorough || i === 0 || i === 6);

  test('every path of every checkpoint, in one engine, all at once', async () => {
    const requests = cases.flatMap((golden) => tried(golden).map((each) => greedyRequest(golden, each)));
    const { rows } = await generate(
      requests,
      { ...LIMITS, prefillChunkTokens: thorough ? 16 : 64, maxWaiting: requests.length },
      device,
    );
    for (const golden of cases) expectGolden(golden, rows, tried(golden));
  });

  test.each(CASES)('a client that goes away in the middle, beside others and one that waits: %s', async (name) => {
    const golden = cases.find((each) => each.name === name)!;
    const [leaves, stays, waits] = [3, 4, 5].map((path) => {
      // Each path has two prompts: the shorter one.
      const expectation = golden.expectations[2 * path]!;
      return { expectation, request: greedyRequest(golden, expectation) };
    });
    const { rows, states } = await generateUntil(
      [{ ...leaves!.request, maxTokens: 30 }, { ...stays!.request, maxTokens: thorough ? 30 : 20 }, waits!.request],
      { ...LIMITS, maxRows: 2, prefillStretch: null },
      device,
      { cancel: leaves!.request.id, afterTokens: 3, next: waits!.request.id },
    );
    expectGolden(golden, rows, [stays!.expectation, waits!.expectation]);
    expect(rows.get(leaves!.request.id)).toMatchObject({ finish: undefined, error: undefined });
    // One step that was under way may still put out a token.
    expect(rows.get(leaves!.request.id)?.tokens.length).toBeLessThanOrEqual(4);
    const { layers, kvHeads, headDim } = golden.checkpoint.config;
    const place = 64 * layers * kvHeads * headDim * 2 * 4;
    expect(states.before).toMatchObject({ running: 2, waiting: 1, kvBytes: 2 * place });
    expect(states.after).toMatchObject({ running: 2, waiting: 0, kvBytes: 2 * place });
    expect(states.end).toMatchObject({ running: 0, waiting: 0, kvBytes: 0, bankRanks: 0 });
  });

  // What is preempted when is the same on any device, and takes hundreds of steps.
  const cpuTest = thorough ? test : test.skip;
  cpuTest('with hardly any memory: few rows, few ranks, rows that are preempted and computed again', async () => {
    const golden = cases[0]!;
    const { layers, kvHeads, headDim } = golden.checkpoint.config;
    const bytesOfSmallest = 64 * layers * kvHeads * headDim * 2 * 4;
    // Past 64 positions a row needs a place of twice the size, which another has to give up.
    const requests = golden.expectations.map((each) => ({ ...greedyRequest(golden, each), maxTokens: 70 }));
    const { rows, events } = await generate(
      requests,
      {
        ...LIMITS,
        prefillChunkTokens: 5,
        kvBudgetBytes: 3 * bytesOfSmallest,
        // The longest path has 6 + 5 + 5.
        bankRankBudget: 18,
        hostBudgetBytes: 1,
      },
      device,
    );
    for (const row of rows.values()) expect(row.tokens).toHaveLength(70);
    expectGolden(golden, rows);
    const stats = events.filter((event) => event.type === 'stats').at(-1)?.stats;
    expect(stats?.preemptions).toBeGreaterThan(0);
  });

  describe('an adapter within what import allows, which overflows', () => {
    let folder: string;
    let culprit: AdapterUse;
    const golden = (): GoldenCase => cases[0]!;
    const limits = { ...LIMITS, bankRankBudget: 8192 };

    /** gate·up grows with the square of the rank, and down multiplies it once more. */
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'espalier-overflow-'));
      const { config, origins } = golden().checkpoint;
      const rank = 4096;
      const largest = 9984;
      const tensors = linearModules(config)
        .filter(({ name }) => name.startsWith('model.layers.0.mlp.'))
        .flatMap(({ name, inFeatures, outFeatures }) => [
          {
            name: `base_model.model.${name}.lora_A.weight`,
            dtype: 'F16' as const,
            shape: [rank, inFeatures],
            data: new Float32Array(rank * inFeatures).fill(largest),
          },
          {
            name: `base_model.model.${name}.lora_B.weight`,
            dtype: 'F16' as const,
            shape: [outFeatures, rank],
            // Both signs, so that some of the gates are open whatever the sign of x.
            data: new Float32Array(outFeatures * rank).map(
              (_, i) => (Math.floor(i / rank) % 2 === 0 ? 1 : -1) * largest,
            ),
          },
        ]);
      const configFile = join(folder, 'adapter_config.json');
      const weightsFile = join(folder, 'adapter_model.safetensors');
      const target = 'model\\.layers\\.0\\.mlp\\.(gate|up|down)_proj';
      await writeFile(
        configFile,
        JSON.stringify({
          peft_type: 'LORA',
          r: rank,
          lora_alpha: rank,
          target_modules: target,
          task_type: 'CAUSAL_LM',
        }),
      );
      await writeSafetensors(weightsFile, tensors);
      const { digest } = await readAdapter({ configFile, weightsFile }, { config, origins });
      culprit = { digest, rank, weight: 4, configFile, weightsFile };
    });
    afterAll(() => rm(folder, { recursive: true }));

    test('ends its own rows with an error, and the others of the batch compute as ever', async () => {
      const bystanders = tried(golden()).map((each) => greedyRequest(golden(), each));
      const bad = (thorough ? [0, 7, 13] : [0, 1]).map((at, i) => ({
        ...bystanders[at]!,
        id: `bad ${i}`,
        adapters: [...bystanders[at]!.adapters, culprit],
      }));
      const { rows, events } = await generate([bad[0]!, ...bystanders, ...bad.slice(1)], limits, device);
      for (const { id } of bad)
        expect(rows.get(id)).toMatchObject({ tokens: [], error: { code: 'non_finite_logits' } });
      expectGolden(golden(), rows, tried(golden()));
      const last = events.filter((event) => event.type === 'stats').at(-1);
      expect(last?.stats).toMatchObject({ running: 0, waiting: 0, kvBytes: 0 });
    });
  });
}
