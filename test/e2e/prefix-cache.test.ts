/** What requests reuse of each other: their own key's, a salt's, and never what another path or revision computed. */
import { jest } from '@jest/globals';
import { join } from 'node:path';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { created, startWithSmallTree, type SmallTree, writeAdapter } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(180_000);

interface Answer {
  choices: { text: string }[];
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

let tree: SmallTree;
let other: string;
beforeAll(async () => {
  tree = await startWithSmallTree();
  const json = { name: 'other', scopes: ['infer'] };
  other = (await tree.service.call<NewKeyDto>('/api/v1/keys', { json })).body.key;
});
afterAll(() => tree.service.remove());

/** A prompt that no other test has. */
let prompts = 0;
const newPrompt = (): string => `${String.fromCharCode(65 + prompts++)}nce upon a time there was a house by the sea`;

async function complete(json: object, key = tree.service.keys.infer): Promise<Answer & { cached: number }> {
  const { status, body } = await tree.service.call<Answer>('/v1/completions', {
    key,
    json: { model: 'story/german', max_tokens: 6, temperature: 0, ...json },
  });
  expect(status).toBe(200);
  return { ...body, cached: body.usage.prompt_tokens_details.cached_tokens };
}

test('a prompt that comes again is computed but for its last token, and says the same', async () => {
  const prompt = newPrompt();
  const first = await complete({ prompt });
  expect(first.cached).toBe(0);
  const again = await complete({ prompt });
  expect(again.cached).toBe(again.usage.prompt_tokens - 1);
  expect(again.choices[0]!.text).toBe(first.choices[0]!.text);
});

test('a stream tells it with its counts', async () => {
  const prompt = newPrompt();
  await complete({ prompt });
  const response = await tree.service.fetch('/v1/completions', {
    key: tree.service.keys.infer,
    json: {
      model: 'story/german',
      prompt,
      max_tokens: 2,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    },
  });
  const usage = (await response.text()).split('\n\n').at(-3) ?? '';
  const { prompt_tokens: tokens, prompt_tokens_details: details } = (JSON.parse(usage.slice('data: '.length)) as Answer)
    .usage;
  expect(details.cached_tokens).toBe(tokens - 1);
});

test('keys share nothing, unless their requests carry the same salt', async () => {
  const prompt = newPrompt();
  await complete({ prompt });
  expect((await complete({ prompt }, other)).cached).toBe(0);
  expect((await complete({ prompt, cache_salt: 'shared' })).cached).toBe(0);
  expect((await complete({ prompt, cache_salt: 'another' }, other)).cached).toBe(0);
  expect((await complete({ prompt, cache_salt: 'shared' }, other)).cached).toBeGreaterThan(0);
  expect((await complete({ prompt }, other)).cached).toBeGreaterThan(0);
});

test('paths share nothing, nor do weights of one', async () => {
  const prompt = newPrompt();
  await complete({ prompt });
  for (const model of ['story', 'story/french', 'story/german:0.5']) {
    expect((await complete({ prompt, model })).cached).toBe(0);
  }
});

test('after a promotion nothing stale is served: not of the revision before, nor of the one after a rollback', async () => {
  const prompt = newPrompt();
  const before = await complete({ prompt });
  const folder = await writeAdapter(join(tree.folder, 'second'), 77);
  await created(tree.service, '/api/v1/revisions', { path: 'story/german', folder });
  const promote = async (revision: number): Promise<void> => {
    const { status } = await tree.service.call('/api/v1/nodes/story%2Fgerman/promote', { json: { revision } });
    expect(status).toBe(200);
  };
  await promote(2);
  const promoted = await complete({ prompt });
  expect(promoted.cached).toBe(0);
  expect(promoted.choices[0]!.text).not.toBe(before.choices[0]!.text);
  // What the new revision says where nothing is cached.
  const fresh = await complete({ prompt, cache_salt: 'fresh' });
  expect(fresh.cached).toBe(0);
  expect(promoted.choices[0]!.text).toBe(fresh.choices[0]!.text);
  await promote(1);
  const rolledBack = await complete({ prompt });
  expect(rolledBack.choices[0]!.text).toBe(before.choices[0]!.text);
});

test('metrics count it', async () => {
  const { body } = await tree.service.call<string>('/metrics');
  const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1] ?? NaN);
  expect(value('espalier_engine_prefix_cache_hits')).toBeGreaterThan(0);
  expect(value('espalier_engine_prefix_cache_tokens')).toBeGreaterThan(value('espalier_engine_prefix_cache_hits'));
  expect(value('espalier_engine_prefix_cache_bytes')).toBeGreaterThan(0);
  expect(value('espalier_engine_prefix_cache_budget_bytes')).toBe(512 * 1024 * 1024);
});
