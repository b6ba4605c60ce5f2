/** Prefill in chunks and decoding through the KV cache, alone and in mixed batches, against transformers + PEFT. */
import fc from 'fast-check';
import { LoadedModel } from '../../../src/engine/loaded-model.js';
import { Session } from '../../../src/engine/ort.js';
import type { Loaded, TestDevice } from '../support/devices.js';
import { DrivenRow } from '../support/driven-row.js';
import { type CaseName, type Expectation, expectations } from '../support/golden.js';
import { sameGreedyTokens } from '../support/greedy.js';
import { PORT_FORMS, SHARED_PORTS } from '../support/port-forms.js';
import { largestDifference } from '../support/largest-difference.js';
import { runWhole } from '../support/whole-prompt.js';

/** The bar for logits against the oracle. */
const GOLDEN_TOLERANCE = 1e-4;
/** The bar for a row in a batch against the same row alone. */
const BATCH_TOLERANCE = 1e-5;

export function loadedModelTests(device: TestDevice, name: CaseName, loaded: () => Loaded): void {
  const thorough = device === 'cpu';
  const forms = thorough ? PORT_FORMS : [SHARED_PORTS];
  /** Elsewhere one that is read in several chunks: the others are in the batch that rows join and leave. */
  const alone = expectations(name).filter(({ steps, prompt }) => thorough || (steps.length === 3 && prompt.length > 8));

  test.each(thorough ? alone : alone.slice(0, 1))('$title', async (expectation) => {
    const { golden, model } = loaded();
    const { tokens, steps, prompt } = expectation;
    const uses = golden.uses(steps);
    const logits = await DrivenRow.alone(model, tokens, uses, { chunk: 8, promptLength: prompt.length });
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
  });

  test.each(forms)('all paths in one batch that rows join and leave: %s', async (_, planner) => {
    const { golden, model } = loaded();
    if (model instanceof LoadedModel) model.ports.planner = planner;
    // Elsewhere each path with one of its two prompts, in turn, and the first of its tokens.
    const waiting = thorough
      ? [...golden.expectations]
      : golden.expectations.filter((_, i) => (i + (i >> 1)) % 2 === 0).map(shortened);
    const together = thorough ? 2 : 4;
    const running: { row: DrivenRow; expectation: Expectation }[] = [];
    let widest = 0;
    while (waiting.length > 0 || running.length > 0) {
      // Some join at each step, so that prompts and single tokens of others are computed in between.
      for (const expectation of waiting.splice(0, together)) {
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
        const expected = golden.logits(expectation).subarray(0, row.logits.length);
        expect(largestDifference(row.logits, expected)).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
        if (!thorough && expectation.prompt.length > 8) continue;
        const alone = await DrivenRow.alone(model, expectation.tokens, golden.uses(expectation.steps));
        expect(largestDifference(row.logits, alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
      }
    }
    expect(widest).toBeGreaterThan(thorough ? 10 : 7);
    expect(model.kv.usedBytes).toBe(0);
    expect(model.bank.usedRanks).toBe(0);
  });

  test('a part of a prompt whose logits nobody wants', async () => {
    const { golden, model } = loaded();
    const expectation = golden.expectations.find(({ steps, prompt }) => steps.length === 3 && prompt.length > 8)!;
    const row = await DrivenRow.join(model, expectation.tokens, golden.uses(expectation.steps));
    await DrivenRow.step(model, [{ row, count: 5, wanted: 'none' }]);
    expect(row.logits.every((logit) => logit === 0)).toBe(true);
    await DrivenRow.step(model, [{ row, count: 3 }]);
    row.leave();
    const { vocabSize } = model.config;
    const [begin, end] = [5 * vocabSize, 8 * vocabSize];
    const expected = golden.logits(expectation).subarray(begin, end);
    expect(largestDifference(row.logits.subarray(begin, end), expected)).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
  });

  test('rows whose capacity grows, beside one whose capacity does not', async () => {
    const { golden, model } = loaded();
    const { config } = golden.checkpoint;
    const session = await Session.load(golden.model, { threads: 1 });
    const { steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const wanted = thorough ? [200, 130, 40] : [100, 66, 50];
    const lengths = wanted.map((length) => Math.min(length, config.maxPositions));
    const rows: DrivenRow[] = [];
    for (const [i, length] of lengths.entries()) {
      const tokens = Array.from({ length }, (_, t) => (t * 31 + i * 7 + (t >> 3)) % config.vocabSize);
      rows.push(await DrivenRow.join(model, tokens, golden.uses(i === 1 ? [] : steps)));
    }
    const chunks = thorough ? [23, 9, 1] : [50, 33, 25];
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
    const { golden, model } = loaded();
    if (model instanceof LoadedModel) model.ports.planner = planner;
    const { config } = golden.checkpoint;
    const paths = golden.expectations.map(({ steps }) => steps);
    const anyRow = fc.record({
      steps: fc.constantFrom(...paths),
      tokens: fc.array(fc.nat(config.vocabSize - 1), {
        minLength: 1,
        maxLength: Math.min(thorough ? 80 : 70, config.maxPositions),
        size: 'max',
      }),
      chunk: fc.integer({ min: thorough ? 1 : 12, max: 40 }),
      joinsAt: fc.nat(thorough ? 4 : 2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: thorough ? 10 : 3 }), async (mix) => {
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
      { numRuns: thorough ? 4 : 1 },
    );
  });
}

/** The prompt and the first tokens behind it. */
function shortened(expectation: Expectation): Expectation {
  return { ...expectation, tokens: expectation.tokens.slice(0, expectation.prompt.length + 2) };
}
