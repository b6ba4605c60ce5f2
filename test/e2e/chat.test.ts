/** Chat templates over HTTP. */
import { join } from 'node:path';
import { copyBase, created, startWithSmallTree, type SmallTree } from './support/small-tree.js';

const TEMPLATE = `{% for message in messages %}{{ bos_token }}{{ message.role }}: {{ message.content | trim }}
{% endfor %}{% if add_generation_prompt %}{{ bos_token }}{{ prefix or 'assistant' }}:{% endif %}`;

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
  const { service, folder } = tree;
  const bare = await copyBase(join(folder, 'bare'), { 'tokenizer_config.json': '{"bos_token":"<|endoftext|>"}' });
  await created(service, '/api/v1/models', { name: 'bare', folder: bare });
  const chatty = await copyBase(join(folder, 'chatty'), { 'chat_template.jinja': TEMPLATE });
  await created(service, '/api/v1/models', { name: 'chatty', folder: chatty });
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

interface Chat {
  choices: { message: { content: string } }[];
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}
interface Completion {
  choices: { text: string }[];
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}
const chat = (messages: object[], fields: object = {}) =>
  tree.service.call<Chat>('/v1/chat/completions', {
    json: { model: 'chatty', messages, temperature: 0, max_tokens: 4, ...fields },
  });

test("a chat is the completion of the template's output, with its special tokens and no more", async () => {
  const { body } = await chat([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: '  the sea  ' },
  ]);
  // The pieces between special tokens, as tokens.
  const tokens: number[] = [];
  for (const text of ['system: Be brief.\n', 'user: the sea\n', 'assistant:']) {
    const piece = await tree.service.call<{ data: { logprobs: { token_id: number }[] }[] }>('/v1/score', {
      json: { model: 'chatty', text, logprobs: true },
    });
    tokens.push(0, ...piece.body.data[0]!.logprobs.map(({ token_id: id }) => id));
  }
  const completion = await tree.service.call<Completion>('/v1/completions', {
    json: { model: 'chatty', prompt: tokens, temperature: 0, max_tokens: 4 },
  });
  // What the answer had computed is cached for the completion.
  const { prompt_tokens_details: cached, ...counts } = completion.body.usage;
  expect(body.usage).toMatchObject(counts);
  expect(cached.cached_tokens).toBe(counts.prompt_tokens - 1);
  expect(body.choices[0]!.message.content).toBe(completion.body.choices[0]!.text);
});

test('users make no special tokens in it', async () => {
  const typed = await chat([{ role: 'user', content: 'a<|endoftext|>b' }]);
  const real = await chat([{ role: 'user', content: 'ab' }]);
  // As one token it would be a single one more at the most.
  expect(typed.body.usage.prompt_tokens).toBeGreaterThan(real.body.usage.prompt_tokens + 2);
});

test('variables reach the template', async () => {
  const plain = await chat([{ role: 'user', content: 'hi' }]);
  const named = await chat([{ role: 'user', content: 'hi' }], {
    chat_template_kwargs: { prefix: 'a storyteller of the north' },
  });
  expect(named.body.usage.prompt_tokens).toBeGreaterThan(plain.body.usage.prompt_tokens);
  const open = await chat([{ role: 'user', content: 'hi' }], { add_generation_prompt: false });
  expect(open.body.usage.prompt_tokens).toBeLessThan(plain.body.usage.prompt_tokens);
});

test('a checkpoint without a template says so', async () => {
  const { status, body } = await tree.service.call('/v1/chat/completions', {
    json: { model: 'bare', messages: [{ role: 'user', content: 'hi' }] },
  });
  expect(status).toBe(400);
  expect(body['error']).toMatchObject({ code: 'chat_template_missing', param: 'messages' });
});

test('a conversation too long for the context names the messages', async () => {
  const { status, body } = await tree.service.call('/v1/chat/completions', {
    json: { model: 'chatty', messages: [{ role: 'user', content: 'word '.repeat(2000) }] },
  });
  expect(status).toBe(400);
  expect(body['error']).toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
});
