/** What is stale, and the lineage of a subtree in its forms: for those alone who can see it. */
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { jest } from '@jest/globals';
import { DirectedGraph } from 'graphology';
import { parse as parseGexf } from 'graphology-gexf';
import { parseAllDocuments } from 'yaml';
import type { Page } from '../../src/registry/dto/page.js';
import type { LineageDto } from '../../src/registry/lineage/lineage.dto.js';
import type { StaleNodeDto } from '../../src/registry/stale/stale.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
let french: string;
let verne: string;
beforeAll(async () => {
  registry = await TinyRegistry.start();
  let seed = 0;
  const push = (path: string, trainedOn?: number) => registry.push(path, { seed: ++seed, trainedOn });
  await push('tiny/french');
  await push('tiny/french/verne', 1);
  await push('tiny/french/verne/short', 1);
  await push('tiny/french/hugo', 1);
  await push('tiny/french/hugo', 1);
  await push('tiny/german');
  await push('tiny/german/kafka', 1);
  await push('tiny/french');
  await promote('tiny/french', 2);
  await push('tiny/french/verne', 2);
  await promote('tiny/french/verne', 2);
  await registry.call(`${of('tiny/french')}/aliases/production`, 201, { method: 'PUT', json: { revision: 1 } });
  await registry.call(of('tiny/french/hugo'), 200, { method: 'PATCH', json: { tags: ['no', 'novel'] } });
  french = await boundTo('tiny/french');
  verne = await boundTo('tiny/french/verne');
}, 130_000);
afterAll(() => registry.remove());

const of = (path: string) => `/nodes/${encodeURIComponent(path)}`;
const promote = (path: string, revision: number) => registry.post(`${of(path)}/promote`, { revision });
async function boundTo(subtree: string): Promise<string> {
  const json = { name: subtree, scopes: ['read', 'promote'], subtree };
  return (await registry.post<{ key: string }>('/keys', json, 201)).key;
}
const stale = async (query = '', key?: string) =>
  (await registry.call<Page<StaleNodeDto>>(`/stale?${query}`, 200, { key })).data;
const lineage = (node: string, key?: string) =>
  registry.call<LineageDto>(`/lineage?node=${encodeURIComponent(node)}`, 200, { key });
const file = (node: string, format: string) =>
  registry.service.call<string>(`/api/v1/lineage?node=${encodeURIComponent(node)}&format=${format}`);

describe('what is stale', () => {
  test('is listed with the way to it, and how much lies below', async () => {
    expect(await stale()).toMatchObject([
      {
        path: 'tiny/french/verne/short',
        policy: 'pinned',
        detached: false,
        head: 1,
        trainedOn: 1,
        parentHead: 2,
        chain: [{ path: 'tiny/french/verne/short', head: 1, trainedOn: 1, parentHead: 2 }],
        below: { nodes: 0, more: false },
      },
      { path: 'tiny/french/hugo', head: 1, trainedOn: 1, parentHead: 2 },
    ]);
    await promote('tiny/french/verne', 1);
    expect(await stale()).toMatchObject([
      { path: 'tiny/french/verne', below: { nodes: 1 }, chain: [{ path: 'tiny/french/verne' }] },
      { path: 'tiny/french/hugo' },
    ]);
    await registry.push('tiny/french/verne/short', { seed: 91, trainedOn: 2 });
    await promote('tiny/french/verne/short', 2);
    const [, short] = await stale(`under=${encodeURIComponent('tiny/french/verne')}`);
    expect(short).toMatchObject({
      path: 'tiny/french/verne/short',
      chain: [{ path: 'tiny/french/verne' }, { path: 'tiny/french/verne/short', trainedOn: 2, parentHead: 1 }],
    });
  });

  test('comes in pages of any size', async () => {
    const all = (await stale()).map(({ path }) => path);
    expect(all).toHaveLength(3);
    for (const limit of [1, 2, 3]) {
      const paths: string[] = [];
      for (let cursor = ''; ;) {
        const page = await registry.get<Page<StaleNodeDto>>(`/stale?limit=${limit}${cursor}`);
        paths.push(...page.data.map(({ path }) => path));
        if (page.nextCursor === null) break;
        cursor = `&cursor=${page.nextCursor}`;
      }
      expect(paths).toEqual(all);
    }
  });

  test('is no more once it is archived, repinned, or out of sight', async () => {
    expect((await stale('', french)).map(({ path }) => path)).toHaveLength(3);
    // Of what lies above the subtree of the key, nothing is said.
    const seen = await stale('', verne);
    expect(seen.map(({ path, chain }) => [path, chain.length])).toEqual([
      ['tiny/french/verne', 1],
      ['tiny/french/verne/short', 2],
    ]);
    expect(await registry.refusal(`/stale?under=${encodeURIComponent('tiny/french')}`, { key: verne })).toMatchObject({
      status: 404,
    });
    await registry.post(`${of('tiny/french/hugo')}/repin`, {}, 201);
    await registry.post(`${of('tiny/french/verne/short')}/archive`, {});
    expect((await stale()).map(({ path }) => path)).toEqual(['tiny/french/verne']);
    await registry.post(`${of('tiny/french/verne/short')}/restore`, {});
    expect(await stale()).toHaveLength(2);
  });
});

describe('a lineage', () => {
  test('as JSON names nodes, revisions, and what each stands on', async () => {
    const { model, nodes, edges } = await lineage('tiny');
    expect(model.name).toBe('tiny');
    expect(model.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(nodes.map(({ path, head }) => [path, head])).toEqual([
      ['tiny', null],
      ['tiny/french', 2],
      ['tiny/french/hugo', 3],
      ['tiny/french/verne', 1],
      ['tiny/french/verne/short', 2],
      ['tiny/german', 1],
      ['tiny/german/kafka', 1],
    ]);
    expect(nodes[1]).toMatchObject({ aliases: [{ name: 'production', revision: 1 }], stale: false });
    const pins = edges.map((edge) => [nodes.find(({ id }) => id === edge.child)?.path, edge.trainedOn, edge.stale]);
    expect(pins).toContainEqual(['tiny/french/verne', 1, true]);
    expect(pins).toContainEqual(['tiny/french/hugo', 2, false]);
  });

  test('shows a key what lies at and below its node', async () => {
    const { model, nodes, edges } = await lineage('tiny/french/verne', verne);
    expect(model).toEqual({ name: 'tiny', digest: null });
    expect(nodes.map(({ path }) => path)).toEqual(['tiny/french/verne', 'tiny/french/verne/short']);
    expect(edges).toHaveLength(1);
    for (const node of ['tiny', 'tiny/french', 'tiny/german']) {
      expect(await registry.refusal(`/lineage?node=${encodeURIComponent(node)}`, { key: verne })).toMatchObject({
        status: 404,
      });
    }
  });

  test('as GEXF, DOT and model cards is what their readers read', async () => {
    const gexf = await file('tiny', 'gexf');
    expect(gexf.headers.get('content-type')).toBe('application/gexf+xml');
    expect(gexf.headers.get('content-disposition')).toBe('attachment; filename="tiny.gexf"');
    const graph = parseGexf(DirectedGraph, gexf.body);
    expect([graph.order, graph.size]).toEqual([7, 6]);

    const dot = await file('tiny/french', 'dot');
    expect(dot.headers.get('content-type')).toMatch('text/vnd.graphviz');
    const graphviz = await Graphviz.load();
    const drawn = JSON.parse(graphviz.layout(dot.body, 'dot_json')) as { objects: object[]; edges: object[] };
    expect([drawn.objects.length, drawn.edges.length]).toEqual([4, 3]);

    const cards = await file('tiny/french', 'hf');
    expect(cards.headers.get('content-type')).toMatch('application/yaml');
    // Read as YAML 1.1, where a bare `no` is false: that is what Python's readers speak.
    const documents = parseAllDocuments(cards.body, { version: '1.1' }).map((one) => one.toJS() as object);
    expect(documents).toHaveLength(4);
    const { digest } = (await lineage('tiny/french/hugo')).nodes[0]!.revisions.at(-1)!;
    expect(documents[1]).toEqual({
      base_model: 'tiny',
      base_model_relation: 'adapter',
      library_name: 'peft',
      pipeline_tag: 'text-generation',
      tags: ['lora', 'espalier', 'no', 'novel'],
      espalier: {
        path: 'tiny/french/hugo',
        revision: 3,
        digest,
        trained_on: { path: 'tiny/french', revision: 2 },
      },
    });
  });

  test('is of a node that there is, in a form that there is', async () => {
    expect(await registry.refusal('/lineage')).toMatchObject({ status: 400 });
    expect(await registry.refusal('/lineage?node=tiny%2Fnone')).toMatchObject({ code: 'path_not_found' });
    expect(await registry.refusal('/lineage?node=tiny&format=svg')).toMatchObject({ code: 'invalid_request' });
  });
});
