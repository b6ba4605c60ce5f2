import { mkdtempSync, readFileSync, rmSync, writeFileSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ChatMessage } from '../../../src/tokenization/chat-template.js';
import { CheckpointTokenizer } from '../../../src/tokenization/checkpoint-tokenizer.js';
import { Detokenizer } from '../../../src/tokenization/detokenizer.js';
import { TokenTable } from '../../../src/tokenization/token-table.js';
import { fixture } from './fixture.js';

interface Chat {
  name: string;
  template: string;
  messages: ChatMessage[];
  /** By transformers. */
  tokens: number[];
}
const chats = JSON.parse(readFileSync(fixture('chats.json'), 'utf8')) as Chat[];
const templates = new Map(chats.map((chat) => [chat.name, chat.template]));
const prompt = { addGenerationPrompt: true, variables: {} };

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'espalier-chat-'))));
afterEach(() => rmSync(folder, { recursive: true }));

async function withTemplate(template: string): Promise<CheckpointTokenizer> {
  copyFileSync(join(fixture('byte-level'), 'tokenizer.json'), join(folder, 'tokenizer.json'));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ bos_token: { content: '<|endoftext|>' } }));
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  return CheckpointTokenizer.open(folder);
}

/** The text with its special tokens, and how many of them there are. */
function read(tokenizer: CheckpointTokenizer, tokens: number[]): { text: string; specials: number } {
  const table = new TokenTable(tokenizer.summary().table);
  const detokenizer = new Detokenizer(table, { atStart: true, keepSpecial: true });
  const text = tokens.map((token) => detokenizer.push(token)).join('') + detokenizer.end();
  return { text, specials: tokens.filter((token) => table.isSpecial(token)).length };
}

test.each([...templates.keys()])('template "%s" gives the same tokens as transformers', async (name) => {
  const rows = chats.filter((chat) => chat.name === name);
  const tokenizer = await withTemplate(templates.get(name)!);
  const found = rows.map(({ messages }) => ({ messages, tokens: tokenizer.encodeChat(messages, prompt) }));
  expect(found).toEqual(rows.map(({ messages, tokens }) => ({ messages, tokens })));
});

test.each(['chatml', 'trim', 'role-tokens', 'reasoning'])(
  'in template "%s", users make no special tokens, whatever they type',
  async (name) => {
    const tokenizer = await withTemplate(templates.get(name)!);
    const chat = (content: string): { text: string; specials: number } =>
      read(tokenizer, tokenizer.encodeChat([{ role: 'user', content }], prompt));
    const expected = chat('Q');
    expect(expected.specials).toBeGreaterThan(0);
    const bit = fc.constantFrom(
      ...['<|im_end|>', '<|im_start|>', '<|', '|>', 'im_end', '<', '|', '_', '>', '</think>', '<tool>', '\n', ' ', 'x'],
      ...['<|endoftext|>', '<|IM_END|>', '\ue000', '\ue001', '🙂', 'end', 'im'],
    );
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 12 }), (bits) => {
        const content = `x${bits.join('')}x`;
        const { text, specials } = chat(content);
        expect(specials).toBe(expected.specials);
        expect(text).toBe(expected.text.replace('Q', () => content));
      }),
      { numRuns: 300 },
    );
  },
);

test.each([
  ['cutting and joining', "{{ messages[0].content | replace('-', '') }}", '<|im_-end|>'],
  ['lower case', '{{ messages[0].content | lower }}', '<|IM_END|>'],
  ['the name', '{{ messages[0].name }}', 'ignored'],
  ['a variable', '{{ persona }}', 'ignored'],
  ['the name of a field of a variable', '{{ fields | tojson }}', 'ignored'],
  ['half a token in the template', '<|im_{{ messages[0].content }}', 'end|>'],
  [
    'a literal that is part of a token',
    "{{ '<|' ~ 'user' if '<|' in messages[0].content }}{{ messages[0].content }}",
    '<|im_end|>',
  ],
])('%s makes no special token', async (_, template, content) => {
  const tokenizer = await withTemplate(template);
  const tokens = tokenizer.encodeChat([{ role: 'user', content, name: '<|im_end|>' }], {
    addGenerationPrompt: true,
    variables: { persona: '<|im_end|>', fields: { '<|im_end|>': 1 } },
  });
  const { text, specials } = read(tokenizer, tokens);
  expect(text).toContain('<|im_end|>');
  expect(specials).toBe(0);
});

test('what a template raises comes back with its words', async () => {
  const tokenizer = await withTemplate("{{ raise_exception('No ' + messages[0].content) }}");
  const error = thrown(() => tokenizer.encodeChat([{ role: 'user', content: '<|here|>' }], prompt));
  expect(error).toMatchObject({ code: 'chat_template_failed', status: 400 });
  expect(error.message).toContain('No <|here|>');
});

test('a checkpoint without a template says so', async () => {
  const tokenizer = await CheckpointTokenizer.open(fixture('byte-level'));
  const error = thrown(() => tokenizer.encodeChat([{ role: 'user', content: 'Hello' }], prompt));
  expect(error).toMatchObject({ code: 'chat_template_missing', status: 400 });
});

function thrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown.');
}

test.each([
  ['config as a string', { 'tokenizer_config.json': { chat_template: 'A' } }],
  [
    'config as a list',
    {
      'tokenizer_config.json': {
        chat_template: [
          { name: 'rag', template: 'B' },
          { name: 'default', template: 'A' },
        ],
      },
    },
  ],
  [
    'chat_template.json',
    { 'chat_template.json': { chat_template: 'A' }, 'tokenizer_config.json': { chat_template: 'B' } },
  ],
])('finds the template in %s', async (_, files) => {
  copyFileSync(join(fixture('byte-level'), 'tokenizer.json'), join(folder, 'tokenizer.json'));
  for (const [name, json] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(json));
  const tokenizer = await CheckpointTokenizer.open(folder);
  expect(read(tokenizer, tokenizer.encodeChat([], prompt)).text).toBe('A');
});
