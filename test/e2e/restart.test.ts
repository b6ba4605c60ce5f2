/**
 * What outlives a service that is killed in the middle of its work: the registry as it was acknowledged, whole, and what is
 * served from it. One kill for all of it, because a start is most of what such a test takes.
 */
import { jest } from '@jest/globals';
import { mkdir, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { ModelDto } from '../../src/registry/dto/model.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto, ServedPathDto } from '../../src/registry/dto/resolution.dto.js';
import type { PushedRevisionDto, RevisionDto } from '../../src/registry/dto/revision.dto.js';
import type { LineageDto } from '../../src/registry/lineage/lineage.dto.js';
import type { MergeDto } from '../../src/registry/merges/merge.dto.js';
import type { RedirectDto } from '../../src/registry/places/redirect.dto.js';
import type { Answer } from './support/service.js';
import { copyBase, growSmallTree } from './support/small-tree.js';
import { TinyRegistry, type ErrorBody } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(240_000);

/** A merged path, and a path that was served. */
const MERGED = 'story/french:0.5/verne';
const SERVED = 'story/german:0.5';
/** In float32, of story/german, of rank 2: q_proj [256, 256] and down_proj [256, 704] of two layers. */
const PINNED_BYTES = 2 * 4 * 2 * (256 + 256 + 704 + 256);

let registry: TinyRegistry;
let before: Awaited<ReturnType<typeof state>>;
let merge: MergeDto;
let served: ServedPathDto;
let altered: ModelDto;
/** Of the pushes that the kill met: the folders of all, and what was answered. */
let folders: string[];
let answered: Answer<PushedRevisionDto>[];

const of = (path: string) => `/nodes/${encodeURIComponent(path)}`;
const act = (path: string, what: string, json: object = {}) => registry.post<NodeDto>(`${of(path)}/${what}`, json);
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);
const lineage = (path: string) => registry.get<LineageDto>(`/lineage?node=${path}`);
const revisions = async (path: string) => (await registry.get<Page<RevisionDto>>(`${of(path)}/revisions`)).data;
const audit = async () => (await registry.get<Page<AuditEntryDto>>('/audit?limit=1000')).data;
const models = () => readdir(join(registry.service.dataFolder, 'models'));
const generate = (model: string) =>
  registry.service.call<Partial<ErrorBody>>('/v1/completions', { json: { model, prompt: 'The', max_tokens: 1 } });

/** Of what nothing is pushed to while the kill comes. */
async function state() {
  const nodes = async (query: string) =>
    (await registry.get<Page<NodeDto>>(`/nodes?limit=1000&${query}`)).data.filter(
      ({ path }) => !path.startsWith('twin'),
    );
  return {
    nodes: await nodes(''),
    archivedToo: await nodes('archived=true'),
    redirects: (await registry.get<Page<RedirectDto>>('/redirects?limit=1000')).data,
    pinned: await resolve('tiny/stale/child/grandchild'),
    detached: await resolve('tiny/german/short'),
    lineage: await lineage('tiny'),
    models: await registry.get<Page<ModelDto>>('/models'),
    audit: await audit(),
  };
}

async function metric(series: string): Promise<number> {
  const { body } = await registry.service.call<string>('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

/** Returns once the engine tells of so many. */
async function metricIs(series: string, value: number): Promise<void> {
  while ((await metric(series)) !== value) await delay(50);
}

async function readyMerge(): Promise<MergeDto> {
  for (;;) {
    const found = await registry.get<MergeDto>(`/merges/${encodeURIComponent(MERGED)}`);
    if (found.state === 'ready') return found;
    await delay(20);
  }
}

beforeAll(async () => {
  registry = await TinyRegistry.start();
  await growNodes();
  await growServed();
  await leaveHalves();
  folders = await Promise.all(Array.from({ length: 12 }, (_, i) => registry.adapter(`crash-${i}`, { seed: 70 + i })));
  before = await state();

  const pushes = folders.map((folder) => registry.pushForm({ path: 'twin/crash' }, folder));
  await Promise.race(pushes);
  await registry.service.kill9();
  answered = (await Promise.allSettled(pushes)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const weights = await open(weightsOf(altered), 'r+');
  await weights.write(Buffer.from([1, 2, 3]), 0, 3, 100_000);
  await weights.close();
  await registry.service.launch();
});
afterAll(() => registry.remove());

/** A node in each state that there is. */
async function growNodes(): Promise<void> {
  let seed = 0;
  const push = (path: string, trainedOn?: number) => registry.push(path, { seed: ++seed, trainedOn });
  const remove = (path: string) => registry.call<{ id: string }>(of(path), 200, { method: 'DELETE' });
  const follow = { method: 'PATCH', json: { policy: 'follow' } };

  await push('tiny/stale');
  await push('tiny/stale/child', 1);
  await push('tiny/stale/child/grandchild', 1);
  await push('tiny/stale');
  await act('tiny/stale', 'promote', { revision: 2 });
  await registry.call(of('tiny/stale/child'), 200, follow);

  await push('tiny/recalled');
  await push('tiny/recalled/x', 1);
  await push('tiny/recalled');
  await push('tiny/recalled');
  await act('tiny/recalled', 'recall', { revision: 1, reason: 'it insults people', fallback: 2 });
  await act('tiny/recalled', 'recall', { revision: 2, reason: 'it insults people', fallback: 3 });

  await push('tiny/french');
  await push('tiny/french/verne', 1);
  await push('tiny/french/verne/short', 1);
  await push('tiny/french/hugo', 1);
  await push('tiny/french/hugo', 1);
  await push('tiny/german');
  await push('tiny/german/kafka', 1);
  await push('tiny/german/kafka', 1);
  await push('tiny/german/kafka', 1);
  await push('tiny/french');
  await act('tiny/french', 'promote', { revision: 2 });
  await push('tiny/french/verne', 2);
  await registry.call(`${of('tiny/french')}/aliases/production`, 201, { method: 'PUT', json: { revision: 1 } });
  await registry.call(of('tiny/french/hugo'), 200, { method: 'PATCH', json: { tags: ['no', 'novel'] } });
  await act('tiny/german/kafka', 'promote', { revision: 3 });
  await act('tiny/german/kafka', 'recall', { revision: 2, reason: 'odd', fallback: 1 });
  await act('tiny/french/verne/short', 'move', { path: 'tiny/german/short', force: true });
  await act('tiny/french/hugo', 'disable');
  await act('tiny/french/verne', 'archive');
  await registry.post('/nodes', { path: 'tiny/empty', policy: 'follow' }, 201);
  await push('tiny/gone');
  await remove('tiny/gone');
  await push('tiny/back');
  const { id } = await remove('tiny/back');
  await act(id, 'undelete');
  await registry.post('/models', { name: 'twin', folder: join(registry.folder, 'tiny') }, 201);
}

/** A path that is merged, a node whose head is in memory, a path digest that somebody may ask for, and two models in use. */
async function growServed(): Promise<void> {
  await growSmallTree(registry.service, registry.folder);
  const folder = await copyBase(join(registry.folder, 'altered'), { 'chat_template.jinja': 'another' });
  altered = await registry.post<ModelDto>('/models', { name: 'altered', folder }, 201);
  expect((await generate('altered')).status).toBe(200);

  const { status, headers } = await generate(SERVED);
  expect(status).toBe(200);
  served = await registry.get<ServedPathDto>(`/paths/${headers.get('x-espalier-path-digest') ?? ''}`);
  await act('story/german', 'move', { path: 'story/deutsch' });
  await act('story/deutsch', 'pin');
  await metricIs('espalier_adapter_pinned_bytes', PINNED_BYTES);
  await registry.post('/merges', { path: MERGED }, 201);
  merge = await readyMerge();
}

/** As imports leave them that were cut off. */
async function leaveHalves(): Promise<void> {
  const halves = ['long-ago.tmp', 'just-now.tmp'].map((name) => join(registry.service.dataFolder, 'models', name));
  for (const half of halves) {
    await mkdir(half);
    await writeFile(join(half, 'config.json'), '{}');
  }
  const twoDaysAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
  await utimes(halves[0]!, twoDaysAgo, twoDaysAgo);
}

function weightsOf({ digest }: ModelDto): string {
  return join(registry.service.dataFolder, 'models', digest, 'model.safetensors');
}

describe('the registry', () => {
  let after: typeof before;
  beforeAll(async () => {
    after = await state();
  });

  test('has its nodes, redirects, revisions and models as they were', () => {
    expect(after).toEqual({ ...before, audit: after.audit });
  });

  test('has each state in which a node and a revision can be', () => {
    const states = after.lineage.nodes.map(({ path, policy, disabled, archived, detached }) => [
      path,
      [policy, disabled && 'disabled', archived && 'archived', detached && 'detached'].filter(Boolean).join(' '),
    ]);
    expect(states).toEqual([
      ['tiny', 'pinned'],
      ['tiny/back', 'pinned'],
      ['tiny/empty', 'follow'],
      ['tiny/french', 'pinned'],
      ['tiny/french/hugo', 'pinned disabled'],
      ['tiny/french/verne', 'pinned archived'],
      ['tiny/german', 'pinned'],
      ['tiny/german/kafka', 'pinned'],
      ['tiny/german/short', 'follow detached'],
      ['tiny/recalled', 'pinned'],
      ['tiny/recalled/x', 'pinned'],
      ['tiny/stale', 'pinned'],
      ['tiny/stale/child', 'follow'],
      ['tiny/stale/child/grandchild', 'pinned'],
    ]);
    expect(after.lineage.nodes.find(({ path }) => path === 'tiny/german/kafka')?.revisions).toMatchObject([
      { number: 1, recalled: false, fallback: null },
      { number: 2, recalled: true, fallback: 1 },
      { number: 3, recalled: false, fallback: null },
    ]);
    expect(after.redirects.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['tiny/french/verne/short', 'story/german']),
    );
  });

  test('serves the fallback of what was recalled', async () => {
    const { steps } = await resolve('tiny/recalled/x');
    expect(steps.map(({ revision, reason, recalled }) => [revision?.number ?? null, reason, recalled])).toEqual([
      [3, 'fallback', 1],
      [1, 'head', null],
    ]);
  });

  test('has every entry of the audit log', () => {
    // The newest come first: those of the pushes that the kill met.
    expect(after.audit.slice(-before.audit.length)).toEqual(before.audit);
  });

  test('has done away with half an import, unless another instance may be making it', async () => {
    expect(await models()).not.toContain('long-ago.tmp');
    expect(await models()).toContain('just-now.tmp');
    await rm(join(registry.service.dataFolder, 'models/just-now.tmp'), { recursive: true });
  });

  test('has whole revisions only of what was being pushed, and all that were acknowledged', async () => {
    const kept = await revisions('twin/crash');
    expect(kept.map(({ number }) => number)).toEqual(kept.map((_, i) => i + 1));
    expect(answered.length).toBeGreaterThan(0);
    expect(kept.map(({ id }) => id)).toEqual(expect.arrayContaining(answered.map(({ body }) => body.id)));
    expect(await readdir(join(registry.service.dataFolder, 'blobs/tmp'))).toEqual([]);
    // What was cut off can be pushed again, and what was kept is known.
    const again = await Promise.all(folders.map((folder) => registry.pushForm({ path: 'twin/crash' }, folder)));
    expect(again.filter(({ body }) => body.unchanged)).toHaveLength(kept.length);
    expect(await revisions('twin/crash')).toHaveLength(folders.length);
  });
});

describe('what is served', () => {
  test('a path digest stands for the same revisions, though a node moved', async () => {
    expect(served).toMatchObject({ path: SERVED, model: { name: 'story' } });
    expect(await registry.get(`/paths/${served.digest}`)).toEqual(served);
  });

  test('the head of a pinned node is in memory before it is asked for', async () => {
    expect(await registry.get(of('story/deutsch'))).toMatchObject({ pinned: true });
    expect((await generate('story')).status).toBe(200);
    await metricIs('espalier_adapter_pinned_bytes', PINNED_BYTES);
    expect((await generate('story/deutsch')).status).toBe(200);
    await metricIs('espalier_adapter_hits_total{tier="host"}', 1);
    expect(await metric('espalier_adapter_misses_total')).toBe(0);
  });

  test('a path that is pinned to be merged is merged again', async () => {
    expect(await readyMerge()).toMatchObject({ digest: merge.digest });
  });

  test('a model whose files changed meanwhile is not loaded, and an import repairs it', async () => {
    const weights = weightsOf(altered);
    const { status, body } = await generate('altered');
    expect({ status, code: body.error?.code }).toEqual({ status: 500, code: 'model_load_failed' });
    // Where the model lies is told to those who read the log.
    for (const secret of [registry.service.dataFolder, 'model.safetensors', altered.digest.slice(0, 12)]) {
      expect(JSON.stringify(body)).not.toContain(secret);
    }

    const again = { name: 'altered', folder: join(registry.folder, 'altered') };
    expect(await registry.post('/models', again)).toMatchObject({ unchanged: true });
    expect((await generate('altered')).status).toBe(200);

    const { logs } = registry.service;
    const line = logs.split('\n').find((text) => text.includes('model could not be loaded')) ?? '{}';
    const logged = JSON.parse(line) as { model?: string; folder?: string; reason?: string };
    expect(logged).toMatchObject({ model: altered.digest, folder: dirname(weights) });
    expect(logged.reason).toContain(`"model.safetensors" of the imported model in "${dirname(weights)}" was rewritten`);
  });
});
