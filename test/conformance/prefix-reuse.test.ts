/** Rows that begin where others left off, against rows that compute everything themselves, and against the oracle. */
import type { KvContents } from '../../src/engine/kv-budget.js';
import { LoadedModel } from '../../src/engine/loaded-model.js';
import type { AdapterUse } from '../../src/engine/protocol.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { CASES, expectations, GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';

const GOLDEN_TOLERANCE = 1e-4;
/** The bar for a row that reuses against the same row alone. */
const REUSE_TOLERANCE = 1e-5;

describe.each(CASES)('%s', (name) => {
  let golden: GoldenCase;
  let model: LoadedModel;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
    const limits = { ...LIMITS, prefixBudgetBytes: LIMITS.kvBudgetBytes / 2 };
    model = await LoadedModel.load({ digest: name, folder: golden.checkpoint.folder }, limits);
  });
  afterAll(async () => {
    await model.release();
    await golden.remove();
  });

  let rows = 0;
  /** Computes what isn't reused, and leaves all of it. Returns the logits from the first computed position on. */
  async function compute(contents: KvContents, adapters: readonly AdapterUse[]): Promise<[Float32Array, number]> {
    const row = `reusing ${rows++}`;
    const { tokens } = contents;
    if (!model.kv.open(row, tokens.length, { ...contents, most: tokens.length - 1 })) throw new Error('no room');
    const start = model.kv.reused(row);
    if (!model.bank.acquire(adapters)) throw new Error('The bank has no room.');
    const rest = tokens.slice(start);
    const [logits] = await model.run([{ row, tokens: rest, start, adapters, logitsAt: [...rest.keys()] }]);
    model.bank.release(adapters);
    model.kv.close(row, contents);
    return [logits!, start];
  }

  test.each(expectations(name))('$title', async (expectation) => {
    const { tokens, prompt, steps, title } = expectation;
    const { vocabSize } = model.config;
    const uses = golden.uses(steps);
    const alone = await DrivenRow.alone(model, tokens, uses);
    // The first ends in the middle of what the second wants; the third finds the second.
    const [, first] = await compute({ scope: title, tokens: prompt.slice(0, -1) }, uses);
    expect(first).toBe(0);
    for (const reused of [prompt.length - 1, tokens.length - 1]) {
      const [logits, start] = await compute({ scope: title, tokens }, uses);
      expect(start).toBe(reused);
      const from = start * vocabSize;
      expect(largestDifference(logits, alone.subarray(from))).toBeLessThanOrEqual(REUSE_TOLERANCE);
      expect(largestDifference(logits, golden.logits(expectation).subarray(from))).toBeLessThanOrEqual(
        GOLDEN_TOLERANCE,
      );
    }
  });
});
