/** Paths that are pinned to be merged: over HTTP, GraphQL and the command line, with requests on them all the while. */
import { jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { MergeDto } from '../../src/registry/merges/merge.dto.js';
import { Cli } from './support/cli.js';
import { GraphqlCaller } from './support/graphql.js';
import { created, startWithSmallTree, writeAdapter, type SmallTree } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(240_000);

const PATH = 'story/french:0.5/verne';

let tree: SmallTree;
let cli: Cli;
beforeAll(async () => {
  tree = await startWithSmallTree();
  cli = new Cli(tree);
}, 130_000);
afterAll(() => tree.service.remove());

const route = (merge: string) => `/api/v1/merges/${encodeURIComponent(merge)}`;

async function pin(path: string, status = 201): Promise<MergeDto> {
  const answer = await tree.service.call<MergeDto>('/api/v1/merges', { json: { path } });
  expect(answer).toMatchObject({ status });
  return answer.body;
}

async function unpin(merge: string): Promise<void> {
  expect((await tree.service.call(route(merge), { method: 'DELETE' })).status).toBe(200);
}

/** Asks until the merge is as the condition wants it. */
async function until(path: string, condition: (merge: MergeDto) => boolean): Promise<MergeDto> {
  for (;;) {
    const { body } = await tree.service.call<MergeDto>(route(path));
    if (condition(body)) return body;
    await delay(20);
  }
}

const ready = (path: string) => until(path, ({ state }) => state === 'ready');

async function generate(model: string, maxTokens = 12) {
  const { status, headers, body } = await tree.service.call<{ choices: { text: string }[] }>('/v1/completions', {
    key: tree.service.keys.infer,
    json: { model, prompt: 'The', max_tokens: maxTokens, temperature: 0, ignore_eos: true },
  });
  return { status, digest: headers.get('x-espalier-path-digest') ?? '', text: body.choices[0]?.text };
}

/** Tokens that lanes of a kind have drawn, once the engine has told of all that was asked for. */
async function drawn(): Promise<{ factored: number; merged: number }> {
  await delay(1_200);
  const { body } = await tree.service.call<string>('/metrics');
  const of = (lane: string) =>
    Number(new RegExp(`^espalier_engine_lane_generated_tokens\\{lane="${lane}"\\} (\\d+)`, 'm').exec(body)?.[1] ?? 0);
  return { factored: of('factored'), merged: of('merged') };
}

test('a path is pinned, served from its own weights, listed, and unpinned', async () => {
  const before = await generate(PATH);
  const pinned = await pin(PATH);
  expect(pinned).toMatchObject({ path: PATH, pinned: true, digest: before.digest });
  const merge = await ready(PATH);
  expect(merge).toMatchObject({ id: pinned.id, state: 'ready', reason: null });
  expect(merge.seconds).toBeGreaterThan(0);
  expect(merge.bytes).toBeGreaterThan(1e6);
  expect((await pin(PATH, 200)).id).toBe(pinned.id);
  expect((await tree.service.call(route(pinned.id ?? ''))).body).toMatchObject({ path: PATH });

  const { merged } = await drawn();
  expect(await generate(PATH)).toEqual(before);
  expect(await drawn()).toMatchObject({ merged: merged + 12 });
  await generate('story/french/verne');
  expect(await drawn()).toMatchObject({ merged: merged + 12 });

  await pin('story/german');
  const list = await tree.service.call<{ data: MergeDto[]; nextCursor: string | null }>('/api/v1/merges?limit=1');
  expect(list.body.data.map(({ path }) => path)).toEqual([PATH]);
  const next = await tree.service.call<{ data: MergeDto[] }>(`/api/v1/merges?cursor=${list.body.nextCursor ?? ''}`);
  expect(next.body.data.map(({ path }) => path)).toEqual(['story/german']);
  await unpin('story/german');

  await unpin(pinned.id ?? '');
  expect((await tree.service.call(route(PATH))).status).toBe(404);
  expect(await generate(PATH)).toEqual(before);
  expect(await drawn()).toMatchObject({ merged: merged + 12 });
  const audit = await tree.service.call<{ data: { action: string; path: string }[] }>(
    '/api/v1/audit?node=story/french/verne',
  );
  expect(audit.body.data.slice(0, 2)).toMatchObject([{ action: 'merge.unpin' }, { action: 'merge.pin' }]);
});

test.each([
  ['story', 400, 'nothing_to_merge'],
  ['story/french:0/verne:0', 400, 'nothing_to_merge'],
  ['story/nowhere', 404, 'path_not_found'],
  ['story/french@9', 404, 'revision_not_found'],
  ['story//french', 400, 'invalid_path'],
])('%s is refused', async (path, status, code) => {
  const answer = await tree.service.call<{ error: { code: string } }>('/api/v1/merges', { json: { path } });
  expect({ status: answer.status, code: answer.body.error.code }).toEqual({ status, code });
});

test('it takes the scope admin', async () => {
  const { status } = await tree.service.call('/api/v1/merges', { json: { path: PATH }, key: tree.service.keys.infer });
  expect(status).toBe(403);
});

test('a promotion under load drops nothing, and its lane is made anew', async () => {
  const path = 'story/french';
  await created(tree.service, '/api/v1/revisions', {
    path,
    folder: await writeAdapter(join(tree.folder, 'promoted'), 11),
  });
  const texts = new Map<string, Set<string | undefined>>();
  const old = await generate(path);
  await pin(path);
  await ready(path);

  let promoted = false;
  let stop = false;
  const answers = { old: 0, new: 0 };
  const clients = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const wasPromoted = promoted;
      const { status, digest, text } = await generate(path);
      expect(status).toBe(200);
      if (wasPromoted) expect(digest).not.toBe(old.digest);
      answers[digest === old.digest ? 'old' : 'new']++;
      texts.set(digest, (texts.get(digest) ?? new Set()).add(text));
    }
  });
  await delay(300);
  const promotion = await tree.service.call('/api/v1/nodes/story%2Ffrench/promote', { json: { revision: 2 } });
  expect(promotion.status).toBe(200);
  promoted = true;
  const merge = await until(path, ({ state, digest }) => state === 'ready' && digest !== old.digest);
  const { merged } = await drawn();
  stop = true;
  await Promise.all(clients);

  expect(answers.old).toBeGreaterThan(0);
  expect(answers.new).toBeGreaterThan(0);
  // Each digest has one text, from whichever lane it came.
  expect([...texts.values()].map((each) => each.size)).toEqual([1, 1]);
  expect(texts.get(old.digest)).toEqual(new Set([old.text]));
  const after = await generate(path);
  expect(after.digest).toBe(merge.digest);
  expect((await drawn()).merged).toBeGreaterThanOrEqual(merged + 12);
  const { body } = await tree.service.call<string>('/metrics');
  expect(body).toMatch(/^espalier_engine_merged_paths 1$/m);
  await unpin(path);
});

test('a pin outlives the engine process', async () => {
  await pin(PATH);
  const { digest } = await ready(PATH);
  const children = readFileSync(`/proc/${tree.service.pid}/task/${tree.service.pid}/children`, 'utf8').trim();
  process.kill(Number(children.split(' ')[0]), 'SIGKILL');
  await until(PATH, ({ state }) => state === 'pending');
  await ready(PATH);
  const { merged } = await drawn();
  expect((await generate(PATH)).digest).toBe(digest);
  expect(await drawn()).toMatchObject({ merged: merged + 12 });
  await unpin(PATH);
});

test('a path that means nothing any more says so, and is merged again when it does', async () => {
  await pin('story/german@1');
  await ready('story/german@1');
  await tree.service.call('/api/v1/nodes/story%2Fgerman/disable', { method: 'POST' });
  const gone = await until('story/german@1', ({ state }) => state === 'failed');
  expect(gone).toMatchObject({ digest: null, reason: { code: 'node_disabled' } });
  await tree.service.call('/api/v1/nodes/story%2Fgerman/enable', { method: 'POST' });
  await ready('story/german@1');
  await unpin('story/german@1');
});

test('GraphQL has the same', async () => {
  const graphql = new GraphqlCaller(tree.service);
  const fields = '{ id path digest pinned state reason { code message } seconds bytes node { path } }';
  const made = await graphql.one<{ merge: { id: string }; created: boolean }>(
    `mutation { mergePath(path: "${PATH}") { ... on MergePathPayload { created merge ${fields} } } }`,
  );
  expect(made).toMatchObject({
    created: true,
    merge: { path: PATH, pinned: true, node: { path: 'story/french/verne' } },
  });
  await ready(PATH);
  expect(await graphql.one(`{ merge(merge: "${made.merge.id}") { ... on Merge ${fields} } }`)).toMatchObject({
    state: 'ready',
    reason: null,
  });
  expect(await graphql.one('{ merges { nodes { path state } } }')).toEqual({ nodes: [{ path: PATH, state: 'ready' }] });
  const unmerge = `mutation { unmergePath(merge: "${PATH}") { __typename ... on UnmergePathPayload { merge { path } } } }`;
  expect(await graphql.one(unmerge)).toMatchObject({ merge: { path: PATH } });
  expect(await graphql.one(unmerge)).toEqual({ __typename: 'NotFound' });
});

test('so has the command line, which waits and tells the time', async () => {
  expect(await cli.print('merge', PATH)).toMatch(
    /^story\/french:0\.5\/verne is ready \d+\.\d s after it was pinned: .*MB/,
  );
  expect(await cli.print('merges')).toMatch(/^story\/french:0\.5\/verne {2}ready {2}in \d+\.\d s/);
  expect(await cli.print('merge', 'story/german', '--no-wait')).toMatch(/^story\/german (will be merged|is ready)/);
  expect(await cli.print('unmerge', PATH)).toBe(`Unmerged ${PATH}.\n`);
  expect(await cli.print('unmerge', 'story/german')).toBe('Unmerged story/german.\n');
  expect(await cli.print('merges')).toBe('No path is merged.\n');
});

describe('memory', () => {
  let small: SmallTree;
  beforeAll(async () => {
    // Room for one lane of the demo's model.
    small = await startWithSmallTree({ ESPALIER_MERGED_MB: '60', ESPALIER_MERGE_POLICY: 'traffic' });
  }, 130_000);
  afterAll(() => small.service.remove());

  test('what has most of the traffic is merged by itself, and gives way to a pin', async () => {
    const { service } = small;
    const merges = async () => (await service.call<{ data: MergeDto[] }>('/api/v1/merges')).body.data;
    const ask = async () => {
      const json = { model: 'story/german', prompt: 'The', max_tokens: 1 };
      expect((await service.call('/v1/completions', { json })).status).toBe(200);
    };
    for (let i = 0; i < 25; i++) await ask();
    // Traffic that has ended counts less and less: on a slow machine too little, before it is looked at.
    while ((await merges())[0]?.state !== 'ready') await ask();
    expect(await merges()).toMatchObject([{ id: null, path: 'story/german', pinned: false }]);
    expect((await service.call(route('story/german'))).status).toBe(404);
    expect((await service.call('/api/v1/merges', { json: { path: 'story/french' } })).status).toBe(201);
    while ((await merges())[0]?.state !== 'ready') await delay(100);
    expect(await merges()).toMatchObject([{ path: 'story/french', pinned: true, state: 'ready' }]);
  });

  test('a pin over the budget is refused with the numbers; a promotion with room for one lane still gets it', async () => {
    const { service } = small;
    const call = (path: string) =>
      service.call<MergeDto & { error: { code: string; details: Record<string, number> } }>('/api/v1/merges', {
        json: { path },
      });
    expect((await call('story/french')).status).toBe(200);
    const { status, body } = await call('story/german');
    expect({ status, code: body.error.code }).toEqual({ status: 409, code: 'merged_budget_exceeded' });
    const { neededBytes = 0, freeBytes = 0, budgetBytes = 0 } = body.error.details;
    expect(budgetBytes).toBe(60 * 2 ** 20);
    expect(neededBytes).toBeGreaterThan(freeBytes);

    const asked = async () => (await service.call<MergeDto>(route('story/french'))).body;
    while ((await asked()).state !== 'ready') await delay(20);
    const { digest } = await asked();
    await created(service, '/api/v1/revisions', {
      path: 'story/french',
      folder: await writeAdapter(join(small.folder, 'next'), 12),
    });
    await service.call('/api/v1/nodes/story%2Ffrench/promote', { json: { revision: 2 } });
    for (;;) {
      const merge = await asked();
      if (merge.state === 'ready' && merge.digest !== digest) break;
      await delay(20);
    }
  });
});
