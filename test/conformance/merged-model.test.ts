/** Every path merged into weights of its own, against transformers + PEFT and against the same path factored. */
import { jest } from '@jest/globals';
import type { MergedModel, ServedModel } from '../../src/engine/served-model.js';
import { DEVICES_AND_CASES, loadOn } from './support/devices.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { expectations, GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';

/** The bar for logits: against the oracle, and of the two forms against each other. */
const TOLERANCE = 1e-4;

jest.setTimeout(120_000);

const never = new AbortController().signal;

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

  async function merged<T>(uses: Parameters<ServedModel['merge']>[0], body: (lane: MergedModel) => Promise<T>) {
    const lane = await model.merge(uses, never);
    try {
      return await body(lane);
    } finally {
      await lane.release();
    }
  }

  test.each(expectations(name))('$title', async (expectation) => {
    const { tokens, steps, prompt } = expectation;
    const uses = golden.uses(steps);
    const logits = await merged(uses, (lane) =>
      DrivenRow.alone(lane, tokens, [], { chunk: 8, promptLength: prompt.length }),
    );
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
    const factored = await DrivenRow.alone(model, tokens, uses);
    expect(largestDifference(logits, factored)).toBeLessThanOrEqual(TOLERANCE);
  });

  test('the base is as it was, however often a path was merged and freed', async () => {
    const { tokens, steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const before = await DrivenRow.alone(model, tokens, []);
    for (let time = 0; time < 2; time++) {
      await merged(golden.uses(steps), (lane) => DrivenRow.alone(lane, tokens, []));
    }
    expect(await DrivenRow.alone(model, tokens, [])).toEqual(before);
    expect(model.kv.usedBytes).toBe(0);
    expect(model.bank.usedRanks).toBe(0);
  });

  test('a merge that is called off ends with the reason', async () => {
    const { steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const reason = new Error('called off');
    const abort = new AbortController();
    const merge = model.merge(golden.uses(steps), abort.signal);
    abort.abort(reason);
    await expect(merge).rejects.toBe(reason);
  });
});
