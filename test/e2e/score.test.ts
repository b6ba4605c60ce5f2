/** Likelihood of texts under paths. */
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

interface Score {
  model: string;
  path_digest: string;
  log_likelihood: number;
  tokens: number;
  perplexity: number;
  logprobs?: { token: string; token_id: number; logprob: number }[];
}
const score = async (json: object): Promise<Score[]> => {
  const { status, body } = await tree.service.call<{ data: Score[] }>('/v1/score', { json });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body.data;
};
const TEXT = 'It was a dark and stormy night; the rain fell in torrents.';

test('a text under several paths, in their order', async () => {
  const models = ['story', 'story/french/verne', 'story/french', 'story/german', 'story/french:0'];
  const scores = await score({ models, text: TEXT });
  expect(scores.map(({ model }) => model)).toEqual(models);
  expect(new Set(scores.map(({ tokens }) => tokens)).size).toBe(1);
  for (const { log_likelihood: logLikelihood, tokens, perplexity } of scores) {
    expect(logLikelihood).toBeLessThan(0);
    expect(perplexity).toBeCloseTo(Math.exp(-logLikelihood / tokens), 6);
  }
  const [base, verne, french, german, off] = scores;
  expect(new Set([base, verne, french, german].map((entry) => entry!.log_likelihood)).size).toBe(4);
  expect(off!.log_likelihood).toBeCloseTo(base!.log_likelihood, 3);
  expect(off!.path_digest).toBe(base!.path_digest);
});

test('what completions report with echo is the same', async () => {
  const [scored] = await score({ model: 'story/french', text: TEXT, logprobs: true });
  const { body } = await tree.service.call<{ choices: { logprobs: { tokens: string[]; token_logprobs: number[] } }[] }>(
    '/v1/completions',
    { json: { model: 'story/french', prompt: TEXT, max_tokens: 0, echo: true, logprobs: 0 } },
  );
  const { tokens, token_logprobs: logprobs } = body.choices[0]!.logprobs;
  expect(scored!.logprobs!.map(({ token }) => token)).toEqual(tokens.slice(1));
  scored!.logprobs!.forEach(({ logprob }, at) => expect(logprob).toBeCloseTo(logprobs[at + 1]!, 4));
  expect(scored!.log_likelihood).toBeCloseTo(
    logprobs.slice(1).reduce((sum, logprob) => sum + logprob),
    3,
  );
});

test('a continuation is scored given its prompt', async () => {
  const prompt = 'It was a dark and stormy';
  const continuation = TEXT.slice(prompt.length);
  const [whole] = await score({ model: 'story', text: TEXT, logprobs: true });
  const [part] = await score({ model: 'story', prompt, continuation, logprobs: true });
  expect(part!.logprobs!.map(({ token }) => token).join('')).toBe(continuation);
  const tail = whole!.logprobs!.slice(-part!.tokens);
  expect(part!.log_likelihood).toBeCloseTo(
    tail.reduce((sum, { logprob }) => sum + logprob, 0),
    3,
  );

  // As tokens, nothing is added or merged.
  const ids = whole!.logprobs!.map(({ token_id: id }) => id);
  const split = ids.length - part!.tokens;
  const [tokens] = await score({ model: 'story', prompt: [0, ...ids.slice(0, split)], continuation: ids.slice(split) });
  expect(tokens).toMatchObject({ tokens: part!.tokens });
  expect(tokens!.log_likelihood).toBeCloseTo(part!.log_likelihood, 3);
});

test("a token across the boundary is the continuation's", async () => {
  // "dark" and "darkness" share no border of tokens with "dar" + "kness".
  const [scored] = await score({ model: 'story', prompt: 'the dar', continuation: 'k night', logprobs: true });
  const text = scored!.logprobs!.map(({ token }) => token).join('');
  expect(text.endsWith('k night')).toBe(true);
  expect('the dark night'.endsWith(text)).toBe(true);
});

test.each([
  [{ model: 'story' }, 400, 'invalid_request'],
  [{ model: 'story', text: '' }, 400, 'invalid_request'],
  [{ model: 'story', text: 'word '.repeat(2000) }, 400, 'context_length_exceeded'],
  [{ models: ['story', 'story/spanish'], text: 'x' }, 404, 'model_not_found'],
  [{ model: 'story', text: [1, 1_000_000] }, 400, 'invalid_request'],
])('%j is refused', async (json, status, code) => {
  const answer = await tree.service.call<{ error: { code: string } }>('/v1/score', { json });
  expect({ status: answer.status, code: answer.body.error.code }).toEqual({ status, code });
});
