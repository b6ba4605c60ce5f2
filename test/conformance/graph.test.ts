/** The decoder graph, fed whole sequences without a cache, against transformers + PEFT. */
import { jest } from '@jest/globals';
import { Session } from '../../src/engine/ort.js';
import { CASES, type Expectation, expectations, GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';
import { runWhole, type WholeRow } from './support/whole-prompt.js';

// Other processes may use the machine.
jest.setTimeout(60_000);

/** The bar for logits against the oracle. */
const GOLDEN_TOLERANCE = 1e-4;
/** The bar for a row in a batch against the same row alone. */
const BATCH_TOLERANCE = 1e-5;

describe.each(CASES)('%s', (name) => {
  let golden: GoldenCase;
  let session: Session;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
    session = await Session.load(golden.model, { threads: 1 });
  });
  afterAll(async () => {
    await session.release();
    await golden.remove();
  });

  const row = ({ tokens, steps }: Expectation): WholeRow => ({
    tokens,
    adapters: steps.map(({ node, weight }) => ({ adapter: golden.adapter(node), weight })),
  });

  test.each(expectations(name))('$title', async (expectation) => {
    const { logits } = await runWhole(session, golden.checkpoint.config, [row(expectation)]);
    expect(largestDifference(logits[0]!, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
  });

  test('all paths in one batch', async () => {
    const rows = golden.expectations.map(row);
    const { logits } = await runWhole(session, golden.checkpoint.config, rows);
    for (const [i, expectation] of golden.expectations.entries()) {
      expect(largestDifference(logits[i]!, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
      const alone = await runWhole(session, golden.checkpoint.config, [rows[i]!]);
      expect(largestDifference(logits[i]!, alone.logits[0]!)).toBeLessThanOrEqual(BATCH_TOLERANCE);
    }
  });

  test("the graph as it is written, without the runtime's optimizations", async () => {
    const plain = await Session.load(golden.model, { threads: 1, graphOptimization: 'disabled' });
    const expectation = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const { logits } = await runWhole(plain, golden.checkpoint.config, [row(expectation)]);
    expect(largestDifference(logits[0]!, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
    await plain.release();
  });

  test('an adapter of lm_head alone changes the logits and nothing below them', async () => {
    const head = golden.adapter('one/head').deltas.get('lm_head')!;
    const { tokens } = golden.expectations[0]!;
    const base = await runWhole(session, golden.checkpoint.config, [{ tokens, adapters: [] }]);
    const adapter = { deltas: new Map([['lm_head', head]]) };
    const adapted = await runWhole(session, golden.checkpoint.config, [{ tokens, adapters: [{ adapter, weight: 1 }] }]);
    expect(largestDifference(adapted.logits[0]!, base.logits[0]!)).toBeGreaterThan(0.1);
    expect(largestDifference(adapted.newK.data, base.newK.data)).toBe(0);
    expect(largestDifference(adapted.newV.data, base.newV.data)).toBe(0);
  });
});
