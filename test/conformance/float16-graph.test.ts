/**
 * The decoder graph of the GPU's form, in float32 and in float16, on the CPU against transformers + PEFT: the graph and the
 * weights' way to float16. What a GPU's own float16 adds to that: gpu-float16.test.ts.
 */
import { jest } from '@jest/globals';
import type { FloatType } from '../../src/graph/graph-options.js';
import { CASES, GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';
import { PoolRun } from './support/pool-run.js';

// Other processes may use the machine.
jest.setTimeout(60_000);

/** Of logits of about ±5. In float16 every weight, rank row, key, value and product is rounded to 11 bits. */
const TOLERANCES: Record<FloatType, number> = { float32: 1e-4, float16: 2e-2 };

describe.each(CASES)('%s', (name) => {
  let golden: GoldenCase;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
  });
  afterAll(async () => {
    await golden.remove();
  });

  test.each(['float32', 'float16'] as const)('every path, in %s', async (floatType) => {
    const run = await PoolRun.load(golden.checkpoint, floatType);
    let worst = 0;
    for (const expectation of golden.expectations) {
      const adapters = expectation.steps.map(({ node, weight }) => ({ adapter: golden.adapter(node), weight }));
      const { logits, finite } = await run.logits({ tokens: expectation.tokens, adapters });
      expect(finite).toBe(true);
      worst = Math.max(worst, largestDifference(logits, golden.logits(expectation)));
    }
    expect(worst).toBeLessThanOrEqual(TOLERANCES[floatType]);
    // It was float16 indeed.
    if (floatType === 'float16') expect(worst).toBeGreaterThan(TOLERANCES.float32);
    await run.release();
  });
});
