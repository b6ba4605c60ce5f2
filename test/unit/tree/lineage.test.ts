import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { DirectedGraph } from 'graphology';
import { parse as parseGexf } from 'graphology-gexf';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import { lineageOf, type Lineage, type LineageNode } from '../../../src/tree/lineage.js';
import { toDot } from '../../../src/tree/lineage-dot.js';
import { toGexf } from '../../../src/tree/lineage-gexf.js';
import { Rows } from './rows.js';

/** m/french (1, 2: head 2) / verne (1, on 1) / short (1); m/german, without a revision. */
function smallTree() {
  const tree = new AdapterTree();
  const rows = new Rows(tree);
  const root = rows.model('m');
  rows.add(root, 'german');
  const french = rows.add(root, 'french');
  rows.push(french.id);
  const verne = rows.add(french, 'verne', 'follow');
  rows.push(verne.id);
  rows.push(rows.add(verne, 'short').id);
  rows.change(french.id, { headId: rows.push(french.id).id });
  return { tree, root, french, verne };
}

test('a lineage holds what lies below a node, in order, with what each stands on', () => {
  const { tree, root, french, verne } = smallTree();
  const { nodes, edges } = lineageOf(tree, root.id, 100)!;
  expect(nodes.map(({ path, head, stale }) => [path, head, stale])).toEqual([
    ['m', null, false],
    ['m/french', 2, false],
    ['m/french/verne', 1, true],
    ['m/french/verne/short', 1, true],
    ['m/german', null, false],
  ]);
  expect(nodes[2]).toMatchObject({ policy: 'follow', revisions: [{ number: 1, trainedOn: 1, recalled: false }] });
  expect(edges.find(({ child }) => child === verne.id)).toEqual({
    parent: french.id,
    child: verne.id,
    policy: 'follow',
    trainedOn: 1,
    parentHead: 2,
    stale: true,
  });
  expect(edges).toHaveLength(4);
  const part = lineageOf(tree, verne.id, 2)!;
  expect(part.nodes.map(({ path, stale }) => [path, stale])).toEqual([
    ['m/french/verne', true],
    ['m/french/verne/short', true],
  ]);
  expect(part.edges).toHaveLength(1);
});

test('a lineage of more nodes than are wanted is none', () => {
  const { tree, root } = smallTree();
  expect(lineageOf(tree, root.id, 5)).not.toBeNull();
  expect(lineageOf(tree, root.id, 4)).toBeNull();
  expect(lineageOf(tree, root.id, 1)).toBeNull();
});

test('GEXF is read back as the same graph', () => {
  const { tree, root, french, verne } = smallTree();
  const graph = parseGexf(DirectedGraph, toGexf(lineageOf(tree, root.id, 100)!));
  expect([graph.order, graph.size]).toEqual([5, 4]);
  expect(graph.getNodeAttributes(french.id)).toMatchObject({ label: 'm/french', head: 2, rank: 8, revisions: 2 });
  expect(graph.getEdgeAttributes(verne.id)).toMatchObject({
    policy: 'follow',
    trainedOn: 1,
    parentHead: 2,
    stale: true,
  });
  expect(graph.extremities(verne.id)).toEqual([french.id, verne.id]);
});

describe('DOT', () => {
  const labels = async (lineage: Lineage) => {
    const graphviz = await Graphviz.load();
    const drawn = JSON.parse(graphviz.layout([...toDot(lineage)].join(''), 'dot_json')) as {
      objects: { name: string; label: string }[];
      edges?: { label: string }[];
    };
    return { nodes: drawn.objects.map(({ label }) => label), edges: (drawn.edges ?? []).map(({ label }) => label) };
  };

  test('is what Graphviz reads', async () => {
    const { tree, french } = smallTree();
    tree.setAliases(french.id, [{ name: 'production', revisionId: tree.revisions(french.id)[0]!.id, protected: true }]);
    expect(await labels(lineageOf(tree, french.id, 100)!)).toEqual({
      nodes: [
        'm/french\\nrevision 2\\nproduction = 1',
        'm/french/verne\\nrevision 1',
        'm/french/verne/short\\nrevision 1',
      ],
      edges: ['follows', 'on 1'],
    });
  });

  test.each([['say "hi"'], ['back\\slash'], ['ends in \\'], ['\\N \\G'], ['two\nlines'], ['<b>'], ['"]; x -> y ["']])(
    'holds %j as a label, and no more than that',
    async (path) => {
      const node: LineageNode = {
        id: path,
        path,
        policy: 'pinned',
        disabled: false,
        archived: false,
        detached: false,
        stale: false,
        head: null,
        aliases: [],
        revisions: [],
      };
      const graphviz = await Graphviz.load();
      const svg = graphviz.layout([...toDot({ nodes: [node], edges: [] })].join(''), 'svg');
      expect([...svg.matchAll(/<g id="(?:node|edge)\d+"/g)]).toHaveLength(1);
      const words = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => unescaped(text));
      expect(words.slice(0, -1).join('\n')).toBe(path);
    },
  );
});

function unescaped(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#45;', '-')
    .replaceAll('&#160;', ' ')
    .replaceAll('&amp;', '&');
}
