/**
 * graphology's directed graph, over the tree's own nodes: with a million of them its own objects and maps would take most
 * of a start's time.
 *
 * A node is its own entry in the graph. An edge goes from parent to child under the child's id, because a child has only
 * one; there is no object for it until graphology asks, since both nodes know each other. All of graphology that reads
 * works; nodes and edges are set by the four methods below alone.
 */
import { DirectedGraph } from 'graphology';
import { TreeStructureError } from '../errors/tree-shape.js';
import { NodeMap } from './node-map.js';
import { TreeEdges } from './tree-edges.js';
import type { StoredNode } from './tree-node.js';

export class TreeGraph extends DirectedGraph<StoredNode> {
  readonly #nodes: NodeMap;
  #edges = 0;

  /** `nodes`: by handle; filled here. */
  constructor(nodes: (StoredNode | null)[]) {
    super({ allowSelfLoops: false });
    this.#nodes = new NodeMap(nodes);
    // Where graphology keeps its own, which isn't in its types.
    Object.assign(this, { _nodes: this.#nodes, _edges: new TreeEdges(this.#nodes, () => this.#edges) });
  }

  find(id: string): StoredNode | undefined {
    return this.#nodes.get(id);
  }

  add(node: StoredNode): void {
    if (!this.#nodes.add(node)) throw new TreeStructureError(`Node ${node.id} is there twice.`);
  }

  /** One without parent and children. */
  remove(node: StoredNode): void {
    this.#nodes.delete(node.id);
  }

  attach(child: StoredNode, parent: StoredNode): void {
    parent.adopt(child);
    this.#edges++;
  }

  detach(child: StoredNode): void {
    if (!child.parent) return;
    child.parent.release(child);
    this.#edges--;
  }
}
