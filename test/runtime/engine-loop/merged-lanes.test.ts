/** Paths that get lanes of their own, and lose them, while rows run. What a lane computes is test/conformance's matter. */
import type { EngineEvent, GenerationRequest, MergeRequest } from '../../../src/engine/protocol.js';
import { GoldenCase } from '../../conformance/support/golden.js';
import { absentAdapter, LIMITS, request as plain, RunningEngine } from './support/running-engine.js';

/** The checkpoint's weights take less. */
const LANE_BYTES = 1e6;

let golden: GoldenCase;
let model: { digest: string; folder: string };
let running: RunningEngine;

beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  model = { digest: 'llama', folder: golden.checkpoint.folder };
});
afterAll(() => golden.remove());
beforeEach(() => {
  running = new RunningEngine({ ...LIMITS, mergedBudgetBytes: 4 * LANE_BYTES });
});
afterEach(() => running.stop());

const one = () => golden.uses([{ node: 'one', weight: 1 }]);
const both = () =>
  golden.uses([
    { node: 'one', weight: 1 },
    { node: 'one/two', weight: 0.5 },
  ]);
const merge = (pathDigest = 'both', adapters = both()): MergeRequest => ({ model, pathDigest, adapters });
const request = (id: string, more: Partial<GenerationRequest> = {}): GenerationRequest =>
  plain(id, model, { pathDigest: 'both', adapters: both(), ...more });

/** The next event of a kind about a path. */
async function told<T extends EngineEvent['type']>(type: T, pathDigest = 'both') {
  let found: EngineEvent | undefined;
  await running.until(() => {
    found = running.events.find(
      (event) => event.type === type && 'pathDigest' in event && event.pathDigest === pathDigest,
    );
    return found !== undefined;
  });
  return found as Extract<EngineEvent, { type: T }>;
}

test('a path runs merged from when it is told, with the tokens that it had, and factored again after', async () => {
  const { tokens } = await running.run(request('before', { maxTokens: 20 }));
  running.engine.merge(merge());
  const { bytes } = await told('merged');
  expect(running.engine.stats).toMatchObject({ mergedPaths: 1, mergedBytes: bytes });

  const generated = () => running.engine.stats.lanes.merged.generatedTokens;
  expect(await running.run(request('merged', { maxTokens: 20 }))).toMatchObject({ tokens, finish: 'length' });
  expect(generated()).toBe(20);
  await running.run(request('another', { pathDigest: 'one', adapters: one() }));
  expect(generated()).toBe(20);

  running.engine.unmerge('both');
  await told('unmerged');
  expect(running.engine.stats).toMatchObject({ mergedPaths: 0, mergedBytes: 0, kvBytes: 0 });
  expect(await running.run(request('after', { maxTokens: 20 }))).toMatchObject({ tokens, finish: 'length' });
  expect(generated()).toBe(20);
});

test('rows stay in the lane that they began in, while their path is merged and unmerged', async () => {
  const maxTokens = 60;
  const { tokens } = await running.run(request('alone', { maxTokens }));
  const begun = (id: string) => running.until(() => running.outputs(id).length > 0);

  running.engine.submit(request('factored', { maxTokens }));
  await begun('factored');
  running.engine.merge(merge());
  await told('merged');
  running.engine.submit(request('merged', { maxTokens }));
  await begun('merged');
  running.engine.unmerge('both');
  running.engine.submit(request('factored again', { maxTokens }));

  for (const id of ['factored', 'merged', 'factored again']) expect((await running.ending(id)).tokens).toEqual(tokens);
  await told('unmerged');
  const { lanes } = running.engine.stats;
  expect(lanes).toMatchObject({ factored: { generatedTokens: 3 * maxTokens }, merged: { generatedTokens: maxTokens } });
  const lastOfMerged = running.events.findLastIndex(
    (event) => event.type === 'outputs' && event.rows.some(({ id }) => id === 'merged'),
  );
  expect(running.events.findIndex(({ type }) => type === 'unmerged')).toBeGreaterThan(lastOfMerged);
});

test('rows of all lanes together are no more than one lane may hold', async () => {
  await running.stop();
  running = new RunningEngine({ ...LIMITS, maxRows: 3, mergedBudgetBytes: 4 * LANE_BYTES });
  running.engine.merge(merge());
  await told('merged');
  const ids = Array.from({ length: 8 }, (_, i) => `row ${i}`);
  for (const [i, id] of ids.entries()) {
    running.engine.submit(i % 2 === 0 ? request(id) : request(id, { pathDigest: 'one', adapters: one() }));
  }
  let most = 0;
  await running.until(() => {
    most = Math.max(most, running.engine.stats.running);
    return ids.every((id) => running.outputs(id).some(({ finish }) => finish !== undefined));
  });
  expect(most).toBe(3);
});

describe('memory', () => {
  const budget = async () => {
    running.engine.merge(merge('measured'));
    const { bytes } = await told('merged', 'measured');
    await running.stop();
    running = new RunningEngine({ ...LIMITS, mergedBudgetBytes: bytes });
    return bytes;
  };

  test('a path that does not fit is refused with the numbers', async () => {
    const bytes = await budget();
    running.engine.merge(merge('first'));
    await told('merged', 'first');
    running.engine.merge(merge('second', one()));
    const { error } = await told('mergeFailed', 'second');
    expect(error).toMatchObject({
      code: 'merged_budget_exceeded',
      details: { neededBytes: bytes, freeBytes: 0, budgetBytes: bytes },
    });
    expect(running.engine.stats).toMatchObject({ mergedPaths: 1, mergedBytes: bytes });
  });

  test('it waits for a lane that is on its way out', async () => {
    const bytes = await budget();
    running.engine.merge(merge());
    await told('merged');
    const row = running.run(request('last', { maxTokens: 30 }));
    await running.until(() => running.outputs('last').length > 0);
    running.engine.unmerge('both');
    running.engine.merge(merge('next', one()));
    await told('merged', 'next');
    expect(await row).toMatchObject({ finish: 'length' });
    expect(running.engine.stats).toMatchObject({ mergedPaths: 1, mergedBytes: bytes });
  });
});

test('a merge that is called off leaves nothing', async () => {
  await running.run(request('loads the model'));
  running.engine.merge(merge());
  running.engine.merge(merge('behind', one()));
  running.engine.unmerge('both');
  running.engine.unmerge('behind');
  await told('unmerged');
  await told('unmerged', 'behind');
  running.engine.merge(merge());
  await told('merged');
  expect(running.engine.stats).toMatchObject({ mergedPaths: 1 });
  expect(running.events.filter(({ type }) => type === 'merged')).toHaveLength(1);
});

test('an adapter that cannot be read fails the merge, and nothing else', async () => {
  running.engine.merge(merge('absent', [absentAdapter(2)]));
  const { error } = await told('mergeFailed', 'absent');
  expect(error).toMatchObject({ code: 'adapter_load_failed' });
  expect(running.engine.stats).toMatchObject({ mergedPaths: 0, mergedBytes: 0 });
  expect(await running.run(request('row'))).toMatchObject({ finish: 'length' });
});

test('a model that goes takes its merged lanes along', async () => {
  running.engine.merge(merge());
  await told('merged');
  running.engine.merge(merge('under way', one()));
  running.engine.submit(request('row', { maxTokens: 100 }));
  await running.until(() => running.outputs('row').length > 0);
  running.engine.unload(model.digest);
  expect((await running.ending('row')).error).toMatchObject({ code: 'model_unloaded' });
  await running.has('unloaded');
  expect(running.engine.stats).toMatchObject({ mergedPaths: 0, mergedBytes: 0, kvBytes: 0 });
  expect(await running.run(request('again'))).toMatchObject({ finish: 'length' });
  expect(running.engine.stats.lanes.merged.generatedTokens).toBeLessThan(100);
});
