/** vLLM's routes for loading and unloading adapters while it runs. */
import { jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import { FakeHub } from './support/fake-hub.js';
import { startWithSmallTree, writeAdapter, type SmallTree } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(180_000);

type Refusal = { error: { code: string; message: string; param: string | null } };

let hub: FakeHub;
let tree: SmallTree;
let adapters: string[];
beforeAll(async () => {
  hub = await FakeHub.start();
  tree = await startWithSmallTree({
    ESPALIER_BANK_RANKS: '4',
    ESPALIER_HUB_URL: hub.url,
    ESPALIER_HUB_CDNS: hub.cdnUrl,
  });
  adapters = [];
  for (const seed of [11, 12, 13]) adapters.push(await writeAdapter(join(tree.folder, `lora-${seed}`), seed));
});
afterAll(async () => {
  hub.close();
  await tree.service.remove();
});

const load = (json: object, key = tree.service.keys.admin) =>
  tree.service.call<string & Refusal>('/v1/load_lora_adapter', { json, key });
const unload = (name: string, key = tree.service.keys.admin) =>
  tree.service.call<string & Refusal>('/v1/unload_lora_adapter', { json: { lora_name: name }, key });
const complete = (model: string) =>
  tree.service.call<Refusal & { choices: { text: string }[] }>('/v1/completions', {
    json: { model, prompt: 'The', max_tokens: 4, temperature: 0 },
  });
const node = async (path: string) =>
  (await tree.service.call<NodeDto>(`/api/v1/nodes/${encodeURIComponent(path)}`)).body;

async function keyWith(body: { scopes: string[]; subtree?: string }): Promise<string> {
  const { body: made } = await tree.service.call<{ key: string }>('/api/v1/keys', { json: { name: 'lora', ...body } });
  return made.key;
}

test('an adapter is loaded, served, replaced, unloaded and loaded again', async () => {
  const name = 'story/lora';
  const loaded = await load({ lora_name: name, lora_path: adapters[0] });
  expect(loaded.status).toBe(200);
  expect(loaded.headers.get('content-type')).toContain('text/plain');
  expect(loaded.body).toBe("Success: LoRA adapter 'story/lora' added successfully.");
  const first = await complete(name);
  expect(first.status).toBe(200);
  const { body: listed } = await tree.service.call<{ data: { id: string }[] }>('/v1/models');
  expect(listed.data.map(({ id }) => id)).toContain(name);

  const again = await load({ lora_name: name, lora_path: adapters[1] });
  expect(again.status).toBe(400);
  expect(again.body.error).toMatchObject({
    code: 'lora_already_loaded',
    param: 'lora_name',
    message:
      "The lora adapter 'story/lora' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.",
  });

  const writer = await keyWith({ scopes: ['write'] });
  const inPlace = { lora_name: name, lora_path: adapters[1], load_inplace: true };
  expect((await load(inPlace, writer)).body.error).toMatchObject({ code: 'missing_scope' });
  expect((await node(name)).head?.number).toBe(1);
  expect((await load(inPlace)).status).toBe(200);
  expect((await node(name)).head?.number).toBe(2);
  expect((await complete(name)).body.choices[0]?.text).not.toBe(first.body.choices[0]?.text);

  expect((await unload(name, writer)).body).toBe("Success: LoRA adapter 'story/lora' removed successfully.");
  expect((await complete(name)).body.error).toMatchObject({ code: 'node_disabled' });
  expect((await unload(name, writer)).status).toBe(200);
  // What the node served before needs no promotion.
  expect((await load({ lora_name: name, lora_path: adapters[1] }, writer)).status).toBe(200);
  expect(await node(name)).toMatchObject({ disabled: false, revisions: 2, head: { number: 2 } });
  expect((await complete(name)).status).toBe(200);
});

test('two that load one name at once do not replace each other', async () => {
  const answers = await Promise.all(adapters.map((path) => load({ lora_name: 'story/raced', lora_path: path })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
  expect(await node('story/raced')).toMatchObject({ revisions: 1 });
});

test('an adapter is loaded from the hub', async () => {
  const files: Record<string, Uint8Array> = {};
  for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
    files[file] = await readFile(join(adapters[2]!, file));
  }
  hub.repos['acme/story'] = { files, revisions: { main: 'c'.repeat(40) } };
  expect((await load({ lora_name: 'story/hub', lora_path: 'acme/story' })).status).toBe(200);
  expect((await complete('story/hub')).status).toBe(200);
  const missing = await load({ lora_name: 'story/hub2', lora_path: 'acme/none' });
  expect(missing.status).toBe(404);
  expect(missing.body.error).toMatchObject({ code: 'hub_not_found', param: 'lora_path' });
});

test('what cannot be served is not loaded', async () => {
  const name = 'story/french/verne/deep';
  const refused = await load({ lora_name: name, lora_path: adapters[0] });
  expect(refused.status).toBe(400);
  expect(refused.body.error.code).toBe('rank_budget_exceeded');
  expect(await node(name)).toMatchObject({ disabled: true });
  expect((await load({ lora_name: name, lora_path: adapters[0] })).body.error.code).toBe('rank_budget_exceeded');
});

test.each<[object, number, string, string | null]>([
  [{ lora_name: 'story/none/deep', lora_path: '/x' }, 404, 'path_not_found', 'lora_name'],
  [{ lora_name: 'story', lora_path: '/x' }, 409, 'root_node', null],
  [{ lora_name: 'story/a:0.5', lora_path: '/x' }, 400, 'invalid_path', 'lora_name'],
  [{ lora_name: 'story/a', lora_path: '/etc' }, 403, 'folder_not_allowed', 'lora_path'],
  [{ lora_name: 'story/a', lora_path: 'adapters' }, 400, 'invalid_request', 'lora_path'],
  [{ lora_name: 'story/a', lora_path: '../x' }, 400, 'invalid_request', 'lora_path'],
  [{ lora_name: 'story/a' }, 400, 'invalid_request', 'lora_path'],
  [{ lora_name: 'story/a', lora_path: '/x', is_3d_lora_weight: true }, 400, 'invalid_request', 'is_3d_lora_weight'],
])('a load of %j is refused', async (json, status, code, param) => {
  const answer = await load(json);
  expect(answer.status).toBe(status);
  expect(answer.body.error).toMatchObject({ code, param });
  expect((await tree.service.call('/api/v1/nodes/story%2Fa')).status).toBe(404);
});

test('unloading what is not there, the base, or out of sight', async () => {
  const missing = await unload('story/nothing');
  expect(missing.status).toBe(404);
  expect(missing.body.error).toMatchObject({
    message: "The lora adapter 'story/nothing' cannot be found.",
    param: 'lora_name',
  });
  expect((await unload('story')).status).toBe(409);
  const bound = await keyWith({ scopes: ['write'], subtree: 'story/french' });
  expect((await unload('story/german', bound)).body.error.message).toBe(
    "The lora adapter 'story/german' cannot be found.",
  );
  expect((await unload('story/german', tree.service.keys.infer)).status).toBe(403);
  expect(await node('story/german')).toMatchObject({ disabled: false });
});

/** Begins to stream on a path, and says when the answer is complete. */
async function stream(of: SmallTree, model: string, tokens: number): Promise<{ done: Promise<string>; stop(): void }> {
  const gone = new AbortController();
  const response = await of.service.fetch('/v1/completions', {
    json: { model, prompt: 'The', max_tokens: tokens, ignore_eos: true, stream: true },
    signal: gone.signal,
  });
  expect(response.status).toBe(200);
  const reader = response.body!.getReader();
  await reader.read();
  const done = (async () => {
    let text = '';
    for (;;) {
      const { done: ended, value } = (await reader.read()) as { done: boolean; value?: Uint8Array };
      if (ended) return text;
      text += Buffer.from(value ?? []).toString();
    }
  })();
  done.catch(() => undefined);
  return { done, stop: () => gone.abort() };
}

test('unloading waits for the requests that run on the node, or below it', async () => {
  const { done } = await stream(tree, 'story/french/verne', 150);
  let ended = false;
  const text = done.then((all) => {
    ended = true;
    return all;
  });
  const unloaded = await unload('story/french');
  expect(unloaded.status).toBe(200);
  expect(ended).toBe(true);
  expect(await text).toContain('data: [DONE]');
  expect((await complete('story/french/verne')).body.error).toMatchObject({ code: 'node_disabled' });
  expect((await complete('story/german')).status).toBe(200);
});

test('and not for ever; a client that goes away is waited for no longer', async () => {
  const hasty = await startWithSmallTree({ ESPALIER_UNLOAD_TIMEOUT_MS: '100' });
  try {
    const { stop } = await stream(hasty, 'story/german', 400);
    const again = () => hasty.service.call<Refusal>('/v1/unload_lora_adapter', { json: { lora_name: 'story/german' } });
    const late = await again();
    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).toBe('5');
    expect(late.body.error).toMatchObject({ code: 'unload_timeout', details: { running: 1 } });
    stop();
    let status = 503;
    while (status === 503) ({ status } = await again());
    expect(status).toBe(200);
  } finally {
    await hasty.service.remove();
  }
});
