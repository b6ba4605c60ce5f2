import type { ZodType } from 'zod';
import { chatRequest, messagesOf } from '../../../src/completions/dto/chat-request.js';
import { completionRequest, promptsOf } from '../../../src/completions/dto/completion-request.js';
import { scoreRequest } from '../../../src/completions/dto/score-request.js';
import { invalidRequest } from '../../../src/http/validation.js';

/** The field that is named, or null where the body is accepted. */
function refused(schema: ZodType, body: object): string | null {
  const parsed = schema.safeParse(body);
  return parsed.success ? null : (invalidRequest(parsed.error.issues).param ?? '');
}

const completion = { model: 'm', prompt: 'x' };
const chat = { model: 'm', messages: [{ role: 'user', content: 'x' }] };

test.each([
  ['a text', 'x', ['x']],
  ['tokens', [1, 2], [[1, 2]]],
  ['texts', ['x', 'y'], ['x', 'y']],
  ['lists of tokens', [[1], [2, 3]], [[1], [2, 3]]],
  ['nothing', null, ['']],
])('a prompt can be %s', (_, prompt, expected) => {
  expect(promptsOf(completionRequest.parse({ model: 'm', prompt }).prompt)).toEqual(expected);
});

test.each([
  ['user', 'me'],
  ['metadata', { a: 'b' }],
  ['store', true],
  ['service_tier', 'auto'],
  ['suffix', null],
  ['suffix', ''],
  ['best_of', 1],
  ['logit_bias', { '5': -100 }],
  ['stop', ['a', 'b', 'c', 'd', 'e']],
  ['seed', null],
  ['top_k', -1],
  ['max_tokens', 0],
  ['logprobs', 0],
  ['cache_salt', 'a salt'],
  ['cache_salt', null],
])('completions accept %s = %j', (field, value) => {
  expect(refused(completionRequest, { ...completion, [field]: value })).toBeNull();
});

test.each([
  ['suffix', 'after', 'suffix'],
  ['best_of', 3, 'best_of'],
  ['guided_json', {}, 'guided_json'],
  ['prompt_logprobs', 1, 'prompt_logprobs'],
  ['temperature', 3, 'temperature'],
  ['temperature', 'hot', 'temperature'],
  ['top_p', 0, 'top_p'],
  ['n', 0, 'n'],
  ['n', 1.5, 'n'],
  ['max_tokens', -1, 'max_tokens'],
  ['stop', '', 'stop'],
  ['cache_salt', '', 'cache_salt'],
  ['cache_salt', 1, 'cache_salt'],
  ['logit_bias', { hello: 1 }, 'logit_bias.hello'],
  ['logprobs', 21, 'logprobs'],
  ['stream_options', { include_usage: true }, 'stream_options'],
  ['prompt', [], 'prompt'],
  ['prompt', [[]], 'prompt[0]'],
  ['prompt', { text: 'x' }, 'prompt'],
  ['model', '', 'model'],
])('completions refuse %s = %j, and name it', (field, value, named) => {
  expect(refused(completionRequest, { ...completion, [field]: value })).toBe(named);
});

test.each([
  ['tools', []],
  ['tools', null],
  ['tool_choice', 'auto'],
  ['parallel_tool_calls', false],
  ['response_format', { type: 'text' }],
  ['modalities', ['text']],
  ['prediction', { type: 'content', content: 'x' }],
  ['chat_template_kwargs', { enable_thinking: false }],
  ['max_completion_tokens', 5],
])('chat accepts %s = %j', (field, value) => {
  expect(refused(chatRequest, { ...chat, [field]: value })).toBeNull();
});

test.each([
  ['tools', [{ type: 'function', function: { name: 'f' } }], 'tools'],
  ['tool_choice', 'required', 'tool_choice'],
  ['response_format', { type: 'json_object' }, 'response_format'],
  ['modalities', ['text', 'audio'], 'modalities'],
  ['reasoning_effort', 'low', 'reasoning_effort'],
  ['top_logprobs', 3, 'top_logprobs'],
  ['max_tokens', 0, 'max_tokens'],
  ['echo', true, 'echo'],
  ['messages', [], 'messages'],
  ['messages', [{ role: 'tool', content: 'x', tool_call_id: '1' }], 'messages[0].role'],
  ['messages', [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }], 'messages[0].content[0].type'],
  ['messages', [{ role: 'user' }], 'messages[0].content'],
  ['messages', [{ role: 'assistant', content: null, tool_calls: [{}] }], 'messages[0].tool_calls'],
])('chat refuses %s = %j, and names it', (field, value, named) => {
  expect(refused(chatRequest, { ...chat, [field]: value })).toBe(named);
});

test('messages come in several forms', () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
      name: 'Ann',
    },
    { role: 'assistant', content: null, refusal: null, annotations: [] },
  ];
  expect(messagesOf(chatRequest.parse({ ...chat, messages }))).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'a\nb', name: 'Ann' },
    { role: 'assistant', content: '' },
  ]);
});

test.each([
  [{ model: 'm', text: 'x' }, null],
  [{ models: ['m', 'n'], prompt: 'x', continuation: 'y' }, null],
  [{ model: 'm', continuation: [1, 2] }, null],
  [{ text: 'x' }, 'model'],
  [{ model: 'm', models: ['m'], text: 'x' }, 'model'],
  [{ model: 'm' }, 'text'],
  [{ model: 'm', text: 'x', continuation: 'y' }, 'text'],
  [{ model: 'm', text: 'x', prompt: 'y' }, 'prompt'],
  [{ model: 'm', prompt: [1], continuation: 'y' }, 'prompt'],
])('scores take %j', (body, named) => {
  expect(refused(scoreRequest, body)).toBe(named);
});
