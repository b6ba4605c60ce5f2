/** What the loop reuses of rows that left, and what it must not: outputs, counts, and that nothing depends on it. */
import type { GenerationRequest } from '../../../src/engine/protocol.js';
import { GoldenCase } from '../../conformance/support/golden.js';
import { LIMITS, request as plain, RunningEngine } from './support/running-engine.js';

let golden: GoldenCase;
let model: { digest: string; folder: string };
let running: RunningEngine;

beforeAll(async () => {
  golden = await GoldenCase.open('llama');
  model = { digest: 'llama', folder: golden.checkpoint.folder };
});
afterAll(() => golden.remove());
beforeEach(() => {
  running = new RunningEngine({ ...LIMITS, prefixBudgetBytes: LIMITS.kvBudgetBytes / 2 });
});
afterEach(() => running.stop());

const PROMPT = Array.from({ length: 50 }, (_, i) => (i * 7) % 83);
const request = (id: string, more: Partial<GenerationRequest> = {}): GenerationRequest =>
  plain(id, model, { prompt: PROMPT, cacheScope: 'someone', ...more });
const cachedTokens = (id: string): number =>
  running.outputs(id).reduce((sum, output) => sum + (output.cachedTokens ?? 0), 0);

test('a prompt that comes again, and one that goes on from an answer', async () => {
  const { tokens } = await running.run(request('first', { maxTokens: 8 }));
  const again = await running.run(request('again', { maxTokens: 8 }));
  expect(again.tokens).toEqual(tokens);
  expect(cachedTokens('first')).toBe(0);
  expect(cachedTokens('again')).toBe(PROMPT.length - 1);
  const turn = [...PROMPT, ...tokens, 3, 1, 4, 1, 5];
  const second = await running.run(request('second', { prompt: turn }));
  // The last token of an answer was drawn, not computed.
  expect(cachedTokens('second')).toBe(PROMPT.length + tokens.length - 1);
  const alone = await running.run(plain('alone', model, { prompt: turn }));
  expect(second.tokens).toEqual(alone.tokens);
  expect(cachedTokens('alone')).toBe(0);
  expect(running.engine.stats).toMatchObject({ prefixHits: 2, prefixTokens: 49 + 57, kvBytes: 0 });
  expect(running.engine.stats.promptTokens).toBe(50 + 1 + (turn.length - 57) + turn.length);
});

test.each<[string, Partial<GenerationRequest>]>([
  ['another path', { pathDigest: 'another path' }],
  ['another scope', { cacheScope: 'someone else' }],
  ['a beginning that differs', { prompt: [82, ...PROMPT] }],
])('nothing is reused by %s', async (_, other) => {
  await running.run(request('first'));
  await running.run(request('other', other));
  expect(cachedTokens('other')).toBe(0);
});

test('a path whose digest changed computes what its adapters say, though the prompt is known', async () => {
  const before = golden.uses([{ node: 'one', weight: 1 }]);
  const after = golden.uses([{ node: 'other', weight: 1 }]);
  const scored = { logprobs: 0, maxTokens: 12 };
  await running.run(request('before', { adapters: before, pathDigest: 'before', ...scored }));
  const promoted = await running.run(request('promoted', { adapters: after, pathDigest: 'after', ...scored }));
  const fresh = await running.run(plain('fresh', model, { prompt: PROMPT, adapters: after, ...scored }));
  expect(cachedTokens('promoted')).toBe(0);
  expect(promoted.tokens).toEqual(fresh.tokens);
  expect(promoted.outputs.map(({ logprob }) => logprob)).toEqual(fresh.outputs.map(({ logprob }) => logprob));
});

test('a prompt that is scored gets all of its scores, and reuses what stands before them', async () => {
  const scoring = { maxTokens: 0, logprobs: 0, scoreFrom: 20 };
  await running.run(request('first'));
  const scored = await running.run(request('scored', scoring));
  const alone = await running.run(plain('alone', model, { prompt: PROMPT, ...scoring }));
  expect(cachedTokens('scored')).toBe(19);
  const logprobs = ({ outputs }: typeof scored) => outputs.flatMap(({ promptLogprobs }) => promptLogprobs ?? []);
  expect(logprobs(scored).map(({ token }) => token)).toEqual(PROMPT.slice(20));
  for (const [i, { logprob }] of logprobs(scored).entries())
    expect(logprob).toBeCloseTo(logprobs(alone)[i]!.logprob, 5);
});

test('a row that was cancelled leaves what it had computed', async () => {
  running.engine.submit(request('cancelled', { maxTokens: 100 }));
  await running.until(() => running.outputs('cancelled').length >= 3);
  running.engine.cancel('cancelled');
  await running.run(request('next', { prompt: [...PROMPT, 1, 2, 3] }));
  expect(cachedTokens('next')).toBe(PROMPT.length);
});

test('without a budget nothing is kept, and without a scope nothing is left', async () => {
  await running.run(plain('left', model, { prompt: PROMPT }));
  await running.run(request('other'));
  expect(cachedTokens('other')).toBe(0);
  await running.stop();
  running = new RunningEngine(LIMITS);
  await running.run(request('first'));
  await running.run(request('again'));
  expect(cachedTokens('again')).toBe(0);
  expect(running.engine.stats).toMatchObject({ prefixBytes: 0, prefixBudgetBytes: 0, prefixHits: 0 });
});

test('many rows in little memory compute the same as in much', async () => {
  const prompts = Array.from({ length: 24 }, (_, i) => [...PROMPT.slice(0, 10 + ((i * 11) % 40)), i, i + 1, 80 - i]);
  const all = async (engine: RunningEngine, scope: object) => {
    const endings = await Promise.all(
      prompts.map((prompt, i) => engine.run(plain(`row ${i}`, model, { prompt, maxTokens: 20, ...scope }))),
    );
    return endings.map(({ tokens }) => tokens);
  };
  const apart = await all(running, {});
  await running.stop();
  const smallestRow = 384 * 64;
  running = new RunningEngine({ ...LIMITS, kvBudgetBytes: 5 * smallestRow, prefixBudgetBytes: 3 * smallestRow });
  expect(await all(running, { cacheScope: 'someone' })).toEqual(apart);
  expect(running.engine.stats.prefixBytes).toBeLessThanOrEqual(3 * smallestRow);
});
