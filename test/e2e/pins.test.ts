/** Nodes whose heads stay in host memory: over HTTP, GraphQL and the command line, as /metrics shows it. */
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { join } from 'node:path';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import { Cli } from './support/cli.js';
import { GraphqlCaller } from './support/graphql.js';
import { created, startWithSmallTree, writeAdapter, type SmallTree } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(240_000);

/** In float32, of a rank of adapters of the small tree: q_proj [256, 256] and down_proj [256, 704] of two layers. */
const BYTES_A_RANK = 4 * 2 * (256 + 256 + 704 + 256);
const SMALL = 2 * BYTES_A_RANK;
const WIDE = 64 * BYTES_A_RANK;
const BUDGET = 2 ** 20;

interface Refusal {
  error: { code: string; message: string; details: Record<string, number> };
}

let tree: SmallTree;
let cli: Cli;
beforeAll(async () => {
  // Room for one wide adapter, and a few small ones.
  tree = await startWithSmallTree({ ESPALIER_HOST_CACHE_MB: '1' });
  cli = new Cli(tree);
  for (const [i, path] of ['story/wide', 'story/wider', 'story/french'].entries()) await push(path, 64, 10 + i);
}, 130_000);
afterAll(() => tree.service.remove());

async function push(path: string, rank: number, seed: number): Promise<void> {
  const folder = await writeAdapter(join(tree.folder, `pushed ${seed}`), seed, rank);
  await created(tree.service, '/api/v1/revisions', { path, folder });
}

async function act(path: string, what: string, json?: object, headers?: Record<string, string>) {
  const route = `/api/v1/nodes/${encodeURIComponent(path)}/${what}`;
  const answer = await tree.service.call<NodeDto & Refusal>(route, { method: 'POST', json, headers });
  return { status: answer.status, body: answer.body };
}

async function complete(model: string): Promise<void> {
  const json = { model, prompt: 'The', max_tokens: 1 };
  expect((await tree.service.call('/v1/completions', { json })).status).toBe(200);
}

async function metric(series: string): Promise<number> {
  const { body } = await tree.service.call<string>('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

/** Returns once the engine tells of so many pinned bytes. */
async function pinned(bytes: number): Promise<void> {
  while ((await metric('espalier_adapter_pinned_bytes')) !== bytes) await delay(50);
}

test('the head of a pinned node is in memory before it is asked for, until it is unpinned', async () => {
  const { body } = await act('story/german', 'pin');
  expect(body).toMatchObject({ path: 'story/german', pinned: true, version: 3 });
  expect((await act('story/german', 'pin')).body).toMatchObject({ pinned: true, version: 3 });
  // Its model is loaded.
  await complete('story');
  await pinned(SMALL);

  await complete('story/german');
  while ((await metric('espalier_adapter_hits_total{tier="host"}')) !== 1) await delay(50);
  expect(await metric('espalier_adapter_misses_total')).toBe(0);

  expect((await act('story/german', 'unpin')).body).toMatchObject({ pinned: false, version: 4 });
  await pinned(0);
  expect(await metric('espalier_adapter_bytes{tier="host"}')).toBe(SMALL);
});

test('it follows the head, and what is not served takes no memory', async () => {
  await act('story/french', 'pin');
  await act('story/french/verne', 'pin');
  await pinned(2 * SMALL);
  expect((await act('story/french', 'promote', { revision: 2 })).status).toBe(200);
  await pinned(WIDE + SMALL);
  await act('story/french', 'disable');
  await pinned(0);
  await act('story/french', 'enable');
  await pinned(WIDE + SMALL);
  await act('story/french', 'rollback');
  await pinned(2 * SMALL);
  for (const path of ['story/french', 'story/french/verne']) await act(path, 'unpin');
  await pinned(0);
});

test('what does not fit beside the others is refused with the numbers; a promotion beyond is served unpinned', async () => {
  await act('story/wide', 'pin');
  await pinned(WIDE);
  const { status, body } = await act('story/wider', 'pin');
  expect({ status, code: body.error.code, details: body.error.details }).toEqual({
    status: 409,
    code: 'pin_budget_exceeded',
    details: { neededBytes: WIDE, freeBytes: BUDGET - WIDE, budgetBytes: BUDGET },
  });
  expect(body.error.message).toContain(`takes ${WIDE} bytes of host memory, and ${BUDGET - WIDE} of the ${BUDGET}`);
  expect((await tree.service.call<NodeDto>('/api/v1/nodes/story%2Fwider')).body.pinned).toBe(false);

  await act('story/french', 'pin');
  await pinned(WIDE + SMALL);
  await act('story/french', 'promote', { revision: 2 });
  await pinned(WIDE);
  await complete('story/french');
  await act('story/wide', 'unpin');
  await pinned(WIDE);
  expect((await act('story/wider', 'pin')).status).toBe(409);
  await act('story/french', 'unpin');
  await pinned(0);
});

test('it is a change like any other: with its version, in the audit log, over GraphQL and the command line', async () => {
  expect((await act('story/german', 'pin', undefined, { 'if-match': '"1"' })).status).toBe(412);
  expect((await act('story', 'pin')).body.error.code).toBe('root_node');

  const graphql = new GraphqlCaller(tree.service);
  const changed = '__typename ... on NodePayload { node { pinned } } ... on Refused { code details }';
  expect(await graphql.one(`mutation { pinNode(node: "story/german") { ${changed} } }`)).toMatchObject({
    node: { pinned: true },
  });
  expect(await graphql.one(`mutation { unpinNode(node: "story/german") { ${changed} } }`)).toMatchObject({
    node: { pinned: false },
  });
  const { body } = await tree.service.call<{ data: { action: string; after: object }[] }>(
    '/api/v1/audit?node=story%2Fgerman&limit=2',
  );
  expect(body.data.map(({ action, after }) => [action, after])).toEqual([
    ['node.unpin', { pinned: false }],
    ['node.pin', { pinned: true }],
  ]);

  expect(await cli.print('nodes', 'pin', 'story/german')).toMatch(/^story\/german is pinned: /);
  expect(await cli.print('tree', 'story')).toMatch(/german .* in memory\n/);
  expect(await cli.print('nodes', 'show', 'story/german')).toMatch(/^state +in memory$/m);
  expect(await cli.print('nodes', 'unpin', 'story/german')).toMatch(/^story\/german is no longer pinned/);
  expect(await cli.print('tree', 'story')).not.toContain('in memory');
});
