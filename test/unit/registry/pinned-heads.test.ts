/** Which adapters pinned nodes want in memory, on trees made by hand; and how many bytes those are. */
import type { ModelConfig } from '../../../src/formats/checkpoint/model-config.js';
import { foldedBytes } from '../../../src/registry/pins/head-bytes.js';
import { pinnedHeads } from '../../../src/registry/pins/pinned-heads.js';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import { loadedInPages, Rows } from '../tree/rows.js';

const tree = new AdapterTree();
const rows = new Rows(tree);
const root = rows.model('storyteller');
const [a, b, c, empty] = ['a', 'b', 'c', 'empty'].map((name) => rows.add(root, name));
const below = rows.add(a!, 'below');
const heads = Object.fromEntries([a!, b!, c!, below].map(({ id }) => [id, rows.push(id)]));

const wanted = (from = tree): string[] => pinnedHeads(from.pinnedNodes).map(({ revision }) => revision.id);
const headsOf = (...nodes: { id: string }[]): string[] => nodes.map(({ id }) => heads[id]!.id);
const pin = (id: string, pinned = true) => rows.change(id, { pinned });

test('they are those of the nodes that are pinned, the oldest node first, as a start reads them too', () => {
  expect(wanted()).toEqual([]);
  for (const { id } of [below, c!, a!, empty!]) pin(id);
  expect(wanted()).toEqual(headsOf(a!, c!, below));
  expect(wanted(loadedInPages(rows, 2))).toEqual(headsOf(a!, c!, below));
  pin(c!.id, false);
  expect(wanted()).toEqual(headsOf(a!, below));
});

test('they move with the head', () => {
  const next = rows.push(below.id);
  expect(wanted()).toEqual(headsOf(a!, below));
  rows.change(below.id, { headId: next.id });
  expect(wanted()).toEqual([...headsOf(a!), next.id]);
  rows.recall(next.id, heads[below.id]!.id);
  expect(wanted()).toEqual(headsOf(a!, below));
});

test('they are served: not disabled or archived, themselves or by a node above, nor removed', () => {
  for (const off of ['disabled', 'archived'] as const) {
    rows.change(below.id, { [off]: true });
    expect(wanted()).toEqual(headsOf(a!));
    rows.change(below.id, { [off]: false });
    rows.change(a!.id, { [off]: true });
    expect(wanted()).toEqual([]);
    rows.change(a!.id, { [off]: false });
  }
  pin(b!.id);
  expect(wanted()).toEqual(headsOf(a!, b!, below));
  tree.apply({ removedNodes: [a!.id] });
  expect(wanted()).toEqual(headsOf(b!));
});

test('an adapter that two nodes serve is there once', () => {
  tree.setRevision({ ...heads[b!.id]!, id: 'twin', nodeId: c!.id, number: 2 });
  tree.setNode({ ...rows.node(c!.id), pinned: true, headId: 'twin' });
  expect(wanted()).toEqual(headsOf(b!));
});

test('an adapter takes four bytes for each number of A and B, by the ranks of its modules', () => {
  const config = {
    vocabSize: 50,
    hiddenSize: 8,
    intermediateSize: 20,
    headDim: 2,
    heads: 4,
    kvHeads: 2,
    layers: 2,
  } as ModelConfig;
  const module = (name: string) => `model.layers.1.${name}`;
  const targets = { [module('self_attn.k_proj')]: { rank: 3 }, [module('mlp.down_proj')]: { rank: 2 } };
  expect(foldedBytes(config, targets)).toBe(4 * (3 * (8 + 4) + 2 * (20 + 8)));
  expect(foldedBytes(config, {})).toBe(0);
});
