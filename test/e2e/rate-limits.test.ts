/** What a key may use in a minute, and how it learns of it. */
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { created, startWithSmallTree, type SmallTree } from './support/small-tree.js';
import type { Answer } from './support/service.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

const keyWith = async (limits: Partial<NewKeyDto>): Promise<string> => {
  const body = { name: 'limited', scopes: ['infer', 'read'], ...limits };
  return ((await created(tree.service, '/api/v1/keys', body)) as unknown as NewKeyDto).key;
};

interface Completed {
  usage: { total_tokens: number };
  error: { code: string; details: object };
}
const complete = (key: string, json: object): Promise<Answer<Completed>> =>
  tree.service.call<Completed>('/v1/completions', { key, json: { model: 'story/french', prompt: 'The', ...json } });

const told = ({ headers }: { headers: Headers }, name: string): string | null => headers.get(`x-ratelimit-${name}`);

test('requests are counted on all routes, and refused past the limit', async () => {
  const key = await keyWith({ requestsPerMinute: 3 });
  const first = await tree.service.call('/api/v1/nodes', { key });
  expect(told(first, 'limit-requests')).toBe('3');
  expect(told(first, 'remaining-requests')).toBe('2');
  expect(told(first, 'reset-requests')).toMatch(/^(60\.000|59\.\d{3})s$/);
  // Errors count as well.
  expect((await tree.service.call('/api/v1/nodes/none', { key })).status).toBe(404);
  const third = await complete(key, { max_tokens: 1 });
  expect(third.status).toBe(200);
  expect(told(third, 'remaining-requests')).toBe('0');

  const refused = await complete(key, { max_tokens: 1 });
  expect(refused).toMatchObject({
    status: 429,
    body: { error: { code: 'rate_limited', type: 'rate_limit_error', details: { of: 'requests', limit: 3 } } },
  });
  expect(told(refused, 'remaining-requests')).toBe('0');
  const wait = Number(refused.headers.get('retry-after'));
  expect(wait).toBeGreaterThan(40);
  expect(wait).toBeLessThanOrEqual(60);
  // Another key goes on.
  expect((await tree.service.call('/api/v1/nodes')).status).toBe(200);
}, 30_000);

test('tokens are taken before they are generated, and what was not used is given back', async () => {
  const key = await keyWith({ tokensPerMinute: 100 });
  const answer = await complete(key, {
    max_tokens: 60,
    stop_token_ids: [],
    temperature: 0,
    stop: ['a', 'e', 'i', ' '],
  });
  expect(answer.status).toBe(200);
  expect(told(answer, 'limit-tokens')).toBe('100');
  // As it stood while the tokens were spoken for.
  expect(Number(told(answer, 'remaining-tokens'))).toBeLessThan(40);
  const used = answer.body.usage.total_tokens;
  expect(used).toBeLessThan(40);
  // More than was left before: 60 fit only because the others came back.
  const again = await complete(key, { max_tokens: 50, ignore_eos: true });
  expect(again.status).toBe(200);
  const left = 100 - used - again.body.usage.total_tokens;

  const refused = await complete(key, { max_tokens: left + 1 });
  expect(refused).toMatchObject({ status: 429, body: { error: { code: 'rate_limited', details: { of: 'tokens' } } } });
  // What was refused is not used up.
  expect(told(refused, 'remaining-tokens')).toBe(String(left));
  expect((await tree.service.call('/api/v1/nodes', { key })).status).toBe(200);
}, 30_000);

test('a request that names no number pays for what it got', async () => {
  const key = await keyWith({ tokensPerMinute: 1000 });
  const first = await complete(key, { ignore_eos: true });
  const promptTokens = 1000 - Number(told(first, 'remaining-tokens'));
  expect(promptTokens).toBeLessThan(10);
  const score = await tree.service.call<Completed>('/v1/score', {
    key,
    json: { model: 'story', text: 'The cat sat.' },
  });
  expect(score.status).toBe(200);
  const used = first.body.usage.total_tokens + score.body.usage.total_tokens;
  expect(first.body.usage.total_tokens).toBeGreaterThan(promptTokens);
  expect(told(score, 'remaining-tokens')).toBe(String(1000 - used));
}, 30_000);

test('what no minute can hold is refused for good', async () => {
  const key = await keyWith({ tokensPerMinute: 10 });
  const refused = await complete(key, { max_tokens: 20 });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'over_token_limit', param: 'max_tokens' } } });
}, 30_000);

test('without limits, the headers say what the engine takes', async () => {
  const answer = await complete(tree.service.keys.infer, { max_tokens: 1 });
  expect(told(answer, 'limit-requests')).toBe(String(16 + 256));
  expect(told(answer, 'limit-tokens')).toBeNull();
}, 30_000);
