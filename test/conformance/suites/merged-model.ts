/** Every path merged into weights of its own, against transformers + PEFT and against the same path factored. */
import type { MergedModel, ServedModel } from '../../../src/engine/served-model.js';
import type { Loaded, TestDevice } from '../support/devices.js';
import { DrivenRow } from '../support/driven-row.js';
import { type CaseName, expectations } from '../support/golden.js';
import { largestDifference } from '../support/largest-difference.js';

/** The bar for logits: against the oracle, and of the two forms against each other. */
const TOLERANCE = 1e-4;

const never = new AbortController().signal;

export function mergedModelTests(device: TestDevice, name: CaseName, loaded: () => Loaded): void {
  const thorough = device === 'cpu';
  /** Elsewhere the deepest paths and those with lm_head, with one prompt. */
  const tried = expectations(name).filter(
    ({ steps }, i) =>
      thorough || (i % 2 === 0 && (steps.length === 3 || steps.some(({ node }) => node.endsWith('head')))),
  );

  async function merged<T>(uses: Parameters<ServedModel['merge']>[0], body: (lane: MergedModel) => Promise<T>) {
    const lane = await loaded().model.merge(uses, never);
    try {
      return await body(lane);
    } finally {
      await lane.release();
    }
  }

  test.each(tried)('merged: $title', async (expectation) => {
    const { golden, model } = loaded();
    const { tokens, steps, prompt } = expectation;
    const uses = golden.uses(steps);
    const logits = await merged(uses, (lane) =>
      DrivenRow.alone(lane, tokens, [], thorough ? { chunk: 8, promptLength: prompt.length } : { chunk: 8 }),
    );
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
    const factored = await DrivenRow.alone(model, tokens, uses);
    expect(largestDifference(logits, factored)).toBeLessThanOrEqual(TOLERANCE);
  });

  test('the base is as it was, however often a path was merged and freed', async () => {
    const { golden, model } = loaded();
    const { tokens, steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const before = await DrivenRow.alone(model, tokens, []);
    for (let time = 0; time < (thorough ? 2 : 1); time++) {
      await merged(golden.uses(steps), (lane) => DrivenRow.alone(lane, tokens, []));
    }
    expect(await DrivenRow.alone(model, tokens, [])).toEqual(before);
    expect(model.kv.usedBytes).toBe(0);
    expect(model.bank.usedRanks).toBe(0);
  });

  test('a merge that is called off ends with the reason', async () => {
    const { golden, model } = loaded();
    const { steps } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const reason = new Error('called off');
    const abort = new AbortController();
    const merge = model.merge(golden.uses(steps), abort.signal);
    abort.abort(reason);
    await expect(merge).rejects.toBe(reason);
  });
}
