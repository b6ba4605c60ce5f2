/** The official client, unchanged, against the service. */
import OpenAI from 'openai';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
let client: OpenAI;
beforeAll(async () => {
  tree = await startWithSmallTree();
  client = new OpenAI({ baseURL: `${tree.service.url}/v1`, apiKey: tree.service.keys.infer, maxRetries: 0 });
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

const greedy = { temperature: 0, max_tokens: 12 } as const;

/** Without what was cached, which differs the second time. */
function countsOf({ prompt_tokens, completion_tokens, total_tokens }: OpenAI.CompletionUsage): OpenAI.CompletionUsage {
  return { prompt_tokens, completion_tokens, total_tokens };
}

describe('models', () => {
  test('nodes are listed', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids.sort()).toEqual(['story', 'story/french', 'story/french/verne', 'story/german']);
  });

  test('one is found by its id, with its slashes', async () => {
    expect(await client.models.retrieve('story/french/verne')).toMatchObject({
      id: 'story/french/verne',
      object: 'model',
      root: 'story/french/verne',
      parent: 'story',
      parent_node: 'story/french',
    });
  });

  test('one that is missing is not found, and near ones are named', async () => {
    const error: unknown = await client.models.retrieve('story/frensh').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
    expect(String(error)).toContain('story/french');
  });
});

describe('completions', () => {
  test('a text', async () => {
    const { data, response } = await client.completions
      .create({ model: 'story/french', prompt: 'Once upon a time', ...greedy })
      .withResponse();
    expect(data).toMatchObject({ object: 'text_completion', model: 'story/french' });
    expect(data.choices).toHaveLength(1);
    expect(data.choices[0]).toMatchObject({ index: 0, finish_reason: 'length', logprobs: null });
    expect(data.choices[0]!.text.length).toBeGreaterThan(0);
    expect(data.usage).toMatchObject({ completion_tokens: 12, total_tokens: data.usage!.prompt_tokens + 12 });
    const digest = response.headers.get('x-espalier-path-digest');
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(data.system_fingerprint).toBe(digest);
  });

  test('every path writes something else, and a weight of 0 writes what the parent does', async () => {
    const write = async (model: string): Promise<string> =>
      (await client.completions.create({ model, prompt: 'Once upon a time', ...greedy })).choices[0]!.text;
    const paths = ['story', 'story/french', 'story/french/verne', 'story/german', 'story/french/verne:0.5'];
    const texts = await Promise.all(paths.map(write));
    expect(new Set(texts).size).toBe(paths.length);
    expect(await write('story/french/verne:0')).toBe(texts[1]);
    expect(await write('story/french:0/verne:0')).toBe(texts[0]);
  });

  test('a stream gives the same text, piece by piece', async () => {
    const request = { model: 'story/german', prompt: 'The sea was', ...greedy } as const;
    const whole = await client.completions.create(request);
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.Completion[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.map(({ choices }) => choices[0]?.text ?? '').join('')).toBe(whole.choices[0]!.text);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'length')).toHaveLength(1);
    const counts = countsOf(whole.usage!);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: counts });
    expect(chunks.at(-1)!.usage!.prompt_tokens_details).toEqual({ cached_tokens: counts.prompt_tokens - 1 });
    expect(new Set(chunks.slice(0, -1).map(({ usage }) => usage))).toEqual(new Set([null]));
  });

  test('several prompts, as texts or tokens, are several choices', async () => {
    const prompts = ['The sea', 'A letter from'];
    const both = await client.completions.create({ model: 'story', prompt: prompts, ...greedy });
    const apart = await Promise.all(
      prompts.map((prompt) => client.completions.create({ model: 'story', prompt, ...greedy })),
    );
    expect(both.choices.map(({ index, text }) => ({ index, text }))).toEqual(
      apart.map(({ choices }, index) => ({ index, text: choices[0]!.text })),
    );
    expect(both.usage!.completion_tokens).toBe(24);

    const tokens = await client.completions.create({
      model: 'story',
      prompt: [
        [0, 500, 501],
        [0, 700],
      ],
      ...greedy,
    });
    expect(tokens.choices).toHaveLength(2);
    expect(tokens.usage!.prompt_tokens).toBe(5);
  });

  test('n choices differ by chance, and come again with the seed', async () => {
    const request = { model: 'story', prompt: 'The', n: 3, seed: 7, temperature: 1, max_tokens: 8 } as const;
    const texts = async (): Promise<string[]> =>
      (await client.completions.create(request)).choices.map(({ text }) => text);
    const first = await texts();
    expect(new Set(first).size).toBe(3);
    expect(await texts()).toEqual(first);
  });

  test('choices of a stream are told apart by index', async () => {
    const request = { model: 'story', prompt: ['The', 'A'], n: 2, seed: 3, temperature: 1, max_tokens: 6 } as const;
    const whole = await client.completions.create({ ...request, prompt: [...request.prompt] });
    const stream = await client.completions.create({ ...request, prompt: [...request.prompt], stream: true });
    const texts = ['', '', '', ''];
    for await (const { choices } of stream)
      for (const { index, text } of choices) texts[index] = `${texts[index] ?? ''}${text}`;
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
  });

  test('echo with logprobs', async () => {
    const request = { model: 'story', prompt: 'Once upon a', ...greedy, max_tokens: 3 } as const;
    const { choices, usage } = await client.completions.create({ ...request, echo: true, logprobs: 2 });
    const { text, logprobs } = choices[0]!;
    expect(text.startsWith('Once upon a')).toBe(true);
    const length = usage!.prompt_tokens + 3;
    for (const list of Object.values(logprobs!)) expect(list).toHaveLength(length);
    expect(logprobs!.token_logprobs![0]).toBeNull();
    expect(logprobs!.token_logprobs!.slice(1).every((logprob) => logprob < 0)).toBe(true);
    // The first token is the one that begins every text, and is no part of it.
    expect(logprobs!.tokens!.slice(1).join('')).toBe(text);
    logprobs!.text_offset!.slice(1).forEach((offset, at) => {
      expect(text.slice(offset).startsWith(logprobs!.tokens![at + 1]!)).toBe(true);
    });
    for (const [at, top] of logprobs!.top_logprobs!.slice(1).entries()) {
      expect(top[logprobs!.tokens![at + 1]!]).toBe(logprobs!.token_logprobs![at + 1]);
    }
    // Greedy tokens are the likeliest.
    expect(logprobs!.top_logprobs!.slice(-3).map((top) => Math.max(...Object.values(top)))).toEqual(
      logprobs!.token_logprobs!.slice(-3),
    );

    const scored = await client.completions.create({ ...request, max_tokens: 0, echo: true, logprobs: 0 });
    expect(scored.choices[0]!.text).toBe('Once upon a');
    expect(scored.choices[0]!.logprobs!.token_logprobs).toEqual(logprobs!.token_logprobs!.slice(0, -3));
  });

  test('stop strings end the text before them', async () => {
    const request = { model: 'story', prompt: 'Once upon a time', ...greedy } as const;
    const free = (await client.completions.create(request)).choices[0]!.text;
    const stop = free.slice(5, 8);
    const cut = await client.completions.create({ ...request, stop: ['never in here', stop, '@@', '##', '%%'] });
    expect(cut.choices[0]).toMatchObject({ text: free.slice(0, free.indexOf(stop)), finish_reason: 'stop' });
    let streamed = '';
    for await (const { choices } of await client.completions.create({ ...request, stop, stream: true })) {
      streamed += choices[0]!.text;
    }
    expect(streamed).toBe(cut.choices[0]!.text);
  });

  test('sampling fields act', async () => {
    const write = async (fields: object): Promise<string> => {
      const body = { model: 'story', prompt: 'The sea was', ...greedy, ...fields };
      return (await client.completions.create(body)).choices[0]!.text;
    };
    const plain = await write({});
    const first = (await client.completions.create({ model: 'story', prompt: 'The sea was', ...greedy, logprobs: 0 }))
      .choices[0]!.logprobs!;
    expect(first.tokens!.join('')).toBe(plain);
    // One candidate is greedy, at any temperature.
    expect(await write({ temperature: 2, top_k: 1 })).toBe(plain);
    expect(await write({ temperature: 2, top_p: 0.000001 })).toBe(plain);
    expect(await write({ temperature: 2, min_p: 1 })).toBe(plain);
    expect(await write({ repetition_penalty: 5 })).not.toBe(plain);
    // Only one token can be chosen.
    const only = await client.completions.create({
      model: 'story',
      prompt: 'The sea was',
      ...greedy,
      max_tokens: 3,
      logprobs: 0,
      logit_bias: { '300': 100 },
    });
    expect(new Set(only.choices[0]!.logprobs!.tokens).size).toBe(1);
    const stopped = await client.completions.create({
      model: 'story',
      prompt: 'The sea was',
      ...greedy,
      logit_bias: { '0': 100 },
    });
    expect(stopped.choices[0]).toMatchObject({ text: '', finish_reason: 'stop' });
    const ignoring = { model: 'story', prompt: 'The sea was', ...greedy, logit_bias: { '0': 100 }, ignore_eos: true };
    expect((await client.completions.create(ignoring)).choices[0]).toMatchObject({ text: '', finish_reason: 'length' });
  });
});

describe('chat', () => {
  const messages = [{ role: 'user', content: 'Tell me of the sea.' }] as const;

  test('an answer, with usage and logprobs', async () => {
    const answer = await client.chat.completions.create({
      model: 'story/french',
      messages: [...messages],
      temperature: 0,
      max_completion_tokens: 6,
      logprobs: true,
      top_logprobs: 2,
    });
    expect(answer.object).toBe('chat.completion');
    const [choice] = answer.choices;
    expect(choice).toMatchObject({ index: 0, finish_reason: 'length', message: { role: 'assistant' } });
    const content = choice!.logprobs!.content!;
    expect(content).toHaveLength(6);
    const bytes = content.flatMap((token) => token.bytes!);
    expect(Buffer.from(bytes).toString()).toBe(choice!.message.content);
    expect(content.every((token) => token.top_logprobs.length === 2)).toBe(true);
    expect(content.every((token) => token.top_logprobs[0]!.logprob === token.logprob)).toBe(true);
    expect(answer.usage!.completion_tokens).toBe(6);
  });

  test('a stream', async () => {
    const request = { model: 'story', messages: [...messages], temperature: 0, max_tokens: 6 };
    const whole = await client.chat.completions.create(request);
    const runner = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    const roles: unknown[] = [];
    for await (const { choices } of runner) roles.push(choices[0]?.delta.role);
    expect(roles.filter((role) => role !== undefined)).toEqual(['assistant']);
    const final = await runner.finalChatCompletion();
    expect(final.choices[0]!.message.content).toBe(whole.choices[0]!.message.content);
    expect(await runner.totalUsage()).toMatchObject(countsOf(whole.usage!));
  });
});

describe('errors', () => {
  test.each([
    ['an unknown model', { model: 'story/french/vern' }, OpenAI.NotFoundError, 'model_not_found', 'model'],
    ['a bad path', { model: 'story/french:loud' }, OpenAI.BadRequestError, 'invalid_path', 'model'],
    ['an unknown revision', { model: 'story/french@99' }, OpenAI.NotFoundError, 'revision_not_found', 'model'],
    ['a field that is not supported', { suffix: 'x' }, OpenAI.BadRequestError, 'invalid_request', 'suffix'],
    ['a field of the wrong type', { max_tokens: 'many' }, OpenAI.BadRequestError, 'invalid_request', 'max_tokens'],
    ['more tokens than fit', { max_tokens: 100_000 }, OpenAI.BadRequestError, 'context_length_exceeded', 'prompt'],
    ['tokens past the vocabulary', { prompt: [1, 999_999] }, OpenAI.BadRequestError, 'invalid_request', 'prompt'],
  ])('%s', async (_, fields, type, code, param) => {
    const body = { model: 'story', prompt: 'x', max_tokens: 1, ...fields } as OpenAI.CompletionCreateParamsNonStreaming;
    const error: unknown = await client.completions.create(body).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ code, param });
  });

  test('a wrong key', async () => {
    const stranger = new OpenAI({ baseURL: `${tree.service.url}/v1`, apiKey: 'sk-none', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });
});
