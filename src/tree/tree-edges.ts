/** Edges by key, as far as graphology reads its Map of them: seen from the nodes, each of which has one, to its parent. */
import { TreeStructureError } from '../errors/tree-shape.js';
import type { NodeMap } from './node-map.js';
import { edgeOf, type TreeEdge } from './tree-node.js';

export class TreeEdges {
  readonly #nodes: NodeMap;
  readonly #count: () => number;

  constructor(nodes: NodeMap, count: () => number) {
    this.#nodes = nodes;
    this.#count = count;
  }

  get size(): number {
    return this.#count();
  }

  get(id: string): TreeEdge | undefined {
    const node = this.#nodes.get(id);
    return node?.parent ? edgeOf(node, node.parent) : undefined;
  }

  has(id: string): boolean {
    return Boolean(this.#nodes.get(id)?.parent);
  }

  *values(): Generator<TreeEdge> {
    for (const node of this.#nodes.values()) if (node.parent) yield edgeOf(node, node.parent);
  }

  *keys(): Generator<string> {
    for (const { key } of this.values()) yield key;
  }

  forEach(each: (edge: TreeEdge, id: string) => void): void {
    for (const edge of this.values()) each(edge, edge.key);
  }

  set(): never {
    throw new TreeStructureError('Edges of the tree are set by attaching children.');
  }
}
