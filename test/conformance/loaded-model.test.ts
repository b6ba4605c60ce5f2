/** Prefill in chunks and decoding through the KV cache, alone and in mixed batches, against transformers + PEFT. */
import { jest } from '@jest/globals';
import fc from 'fast-check';
import { LoadedModel } from '../../src/engine/loaded-model.js';
import { Session } from '../../src/engine/ort.js';
import type { ServedModel } from '../../src/engine/served-model.js';
import { DEVICES_AND_CASES, loadOn } from './support/devices.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { type Expectation, expectations, GoldenCase } from './support/golden.js';
import { sameGreedyTokens } from './support/greedy.js';
import { PORT_FORMS, SHARED_PORTS } from './support/port-forms.js';
import { largestDifference } from './support/largest-difference.js';
import { runWhole } from './support/whole-prompt.js';

/** The bar for logits against the oracle. */
const GOLDEN_TOLERANCE = 1e-4;
/** The bar for a row in a batch against the same row alone. */
const BATCH_TOLERANCE = 1e-5;

// Random rows are many runs, and other processes may use the machine.
jest.setTimeout(120_000);

describe.each(DEVICES_AND_CASES)('$device: $name', ({ device, name }) => {
  let golden: GoldenCase;
  let model: ServedModel;
  let close: () => Promise<void>;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
    ({ model, close } = await loadOn(device, { digest: name, folder: golden.checkpoint.folder }, LIMITS));
  });
  afterAll(async () => {
    await close();
    await golden.remove();
  });
  const forms = device === 'cpu' ? PORT_FORMS : [SHARED_PORTS];
  const runs = device === 'cpu' ? 4 : 1;

  test.each(expectations(name))('$title', async (expectation) => {
    const { tokens, steps, prompt } = expectation;
    const uses = golden.uses(steps);
    const logits = await DrivenRow.alone(model, tokens, uses, { chunk: 8, promptLength: prompt.length });
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
  });

  test.each(forms)('all paths in one batch that rows join and leave: %s', async (_, planner) => {
    if (model instanceof LoadedModel) model.ports.planner = planner;
    const waiting = [...golden.expectations];
    const running: { row: DrivenRow; expectation: Expectation }[] = [];
    let widest = 0;
    while (waiting.length > 0 || running.length > 0) {
      // Two join at each step, so that prompts and single tokens of others are computed in between.
      for (const expectation of waiting.splice(0, 2)) {
        const uses = golden.uses(expectation.steps);
        running.push({ row: await DrivenRow.join(model, expectation.tokens, uses), expectation });
      }
      widest = Math.max(widest, running.length);
      const counts = running.map(({ row, expectation: { prompt } }) => {
        const left = prompt.length - row.computed;
        return { row, count: left > 0 ? Math.min(left, 10) : 1 };
      });
      await DrivenRow.step(model, counts);
      for (const finished of running.filter(({ row }) => row.left === 0)) {
        running.splice(running.indexOf(finished), 1);
        finished.row.leave();
        const { row, expectation } = finished;
        expect(largestDifference(row.logits, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
        const alone = await DrivenRow.alone(model, expectation.tokens, golden.uses(expectation.steps));
        expect(largestDifference(row.logits, alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
      }
    }
    expect(widest).toBeGreaterThan(10);
    expect(model.kv.usedBytes).toBe(0);
    expect(model.bank.usedRanks).toBe(0);
  });

  test('rows whose capacity grows, beside one whose capacity does not', async () => {
    const { config } = golden.checkpoint;
    const session = await Session.load(golden.model, { threads: 1 });
    const { steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const lengths = [200, 130, 40].map((length) => Math.min(length, config.maxPositions));
    const rows: DrivenRow[] = [];
    for (const [i, length] of lengths.entries()) {
      const tokens = Array.from({ length }, (_, t) => (t * 31 + i * 7 + (t >> 3)) % config.vocabSize);
      rows.push(await DrivenRow.join(model, tokens, golden.uses(i === 1 ? [] : steps)));
    }
    const chunks = [23, 9, 1];
    while (rows.some(({ left }) => left > 0)) {
      const counts = rows.map((row, i) => ({ row, count: Math.min(row.left, chunks[i]!) }));
      await DrivenRow.step(
        model,
        counts.filter(({ count }) => count > 0),
      );
    }
    for (const [i, row] of rows.entries()) {
      row.leave();
      const adapters = i === 1 ? [] : steps.map(({ node, weight }) => ({ adapter: golden.adapter(node), weight }));
      const { logits } = await runWhole(session, config, [{ tokens: row.tokens, adapters }]);
      expect(largestDifference(row.logits, logits[0]!)).toBeLessThanOrEqual(BATCH_TOLERANCE);
    }
    await session.release();
  });

  test.each(forms)('any mix of rows and paths equals each row alone: %s', async (_, planner) => {
    if (model instanceof LoadedModel) model.ports.planner = planner;
    const { config } = golden.checkpoint;
    const paths = golden.expectations.map(({ steps }) => steps);
    const anyRow = fc.record({
      steps: fc.constantFrom(...paths),
      tokens: fc.array(fc.nat(config.vocabSize - 1), {
        minLength: 1,
        maxLength: Math.min(80, config.maxPositions),
        size: 'max',
      }),
      chunk: fc.integer({ min: 1, max: 40 }),
      joinsAt: fc.nat(4),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 10 }), async (mix) => {
        const running: { row: DrivenRow; chunk: number; steps: (typeof paths)[number] }[] = [];
        const finished: typeof running = [];
        for (let step = 0; finished.length < mix.length; step++) {
          for (const { steps, tokens, chunk } of mix.filter(({ joinsAt }) => joinsAt === step)) {
            running.push({ row: await DrivenRow.join(model, tokens, golden.uses(steps)), chunk, steps });
          }
          await DrivenRow.step(
            model,
            running.map(({ row, chunk }) => ({ row, count: Math.min(chunk, row.left) })),
          );
          for (const done of running.filter(({ row }) => row.left === 0)) {
            running.splice(running.indexOf(done), 1);
            done.row.leave();
            finished.push(done);
          }
        }
        for (const { row, steps } of finished) {
          const alone = await DrivenRow.alone(model, row.tokens, golden.uses(steps));
          expect(largestDifference(row.logits, alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
          expect(sameGreedyTokens(row.logits, alone, config.vocabSize)).toBe(true);
        }
      }),
      { numRuns: runs },
    );
  });
});
