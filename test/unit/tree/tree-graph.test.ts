/** What graphology reads of the tree's own nodes, against a graph of its own that was changed in the same way. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DirectedGraph } from 'graphology';
import { HandleTable } from '../../../src/tree/handle-table.js';
import { TreeGraph } from '../../../src/tree/tree-graph.js';
import { StoredNode } from '../../../src/tree/tree-node.js';

function seen(graph: DirectedGraph) {
  return {
    order: graph.order,
    size: graph.size,
    nodes: graph.nodes().sort(),
    edges: graph.mapEdges((edge, _attributes, source, target) => [edge, source, target]).sort(),
    out: graph.nodes().map((node) => [node, graph.outDegree(node), graph.outNeighbors(node)]),
    in: graph.nodes().map((node) => [node, graph.inDegree(node), graph.inNeighbors(node)]),
    exported: graph.export().edges.map(({ key, source, target }) => [key, source, target]),
  };
}

/** By node, so that the order in which it came doesn't count. */
function sorted({ out, in: into, exported, ...rest }: ReturnType<typeof seen>) {
  return { ...rest, out: out.sort(), in: into.sort(), exported: exported.sort() };
}

describe('the graph of the tree', () => {
  it('looks to graphology like one of its own', () => {
    const step = fc.record({ node: fc.nat(15), parent: fc.nat(15), detach: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const graph = new TreeGraph([]);
        const plain = new DirectedGraph();
        const nodes = new Map<number, StoredNode>();
        for (const { node: n, parent: p, detach } of steps) {
          for (const id of [n, p]) {
            if (nodes.has(id)) continue;
            const node = new StoredNode(`node-${id}`, nodes.size);
            nodes.set(id, node);
            graph.add(node);
            plain.addNode(node.id);
          }
          const [node, parent] = [nodes.get(n)!, nodes.get(p)!];
          if (detach && node.parent) {
            graph.detach(node);
            plain.dropEdge(node.id);
          } else if (node !== parent && !node.parent) {
            graph.attach(node, parent);
            plain.addDirectedEdgeWithKey(node.id, parent.id, node.id);
          }
        }
        expect(sorted(seen(graph))).toEqual(sorted(seen(plain)));
        for (const node of nodes.values()) {
          expect(graph.find(node.id)).toBe(node);
          expect(graph.hasEdge(node.id)).toBe(plain.hasEdge(node.id));
          if (node.parent || node.childCount > 0) continue;
          graph.remove(node);
          plain.dropNode(node.id);
        }
        expect(sorted(seen(graph))).toEqual(sorted(seen(plain)));
      }),
    );
  });

  it('refuses a second node of an id', () => {
    const graph = new TreeGraph([]);
    graph.add(new StoredNode('one', 0));
    expect(() => graph.add(new StoredNode('one', 1))).toThrow('Node one is there twice.');
  });
});

describe('handles by their hashes', () => {
  it('are found until they are deleted, also where hashes fall together', () => {
    const step = fc.record({ hash: fc.constantFrom(0, 1, 16, 17, 32, -1, -16, 0x7fffffff), handle: fc.nat(40) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const table = new HandleTable();
        const expected = new Map<string, { hash: number; handle: number }>();
        const placeOf = (hash: number, handle: number): number => {
          let place = table.first(hash);
          while (place >= 0 && table.at(place) !== handle) place = table.next(place, hash);
          return place;
        };
        for (const { hash, handle } of steps) {
          const key = `${hash} ${handle}`;
          if (expected.delete(key)) {
            table.delete(placeOf(hash, handle));
          } else {
            expected.set(key, { hash, handle });
            table.add(hash, handle);
          }
          expect(table.size).toBe(expected.size);
          expect(placeOf(hash, handle) >= 0).toBe(expected.has(key));
        }
        for (const one of expected.values()) expect(placeOf(one.hash, one.handle)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
