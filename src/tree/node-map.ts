/**
 * Nodes by id, as far as graphology reads its Map of them. A Map of a million strings hashes each anew, is copied whenever
 * it grows, and is walked by every collection of garbage.
 */
import { TreeStructureError } from '../errors/tree-shape.js';
import { HandleTable, hashOf } from './handle-table.js';
import type { StoredNode } from './tree-node.js';

export class NodeMap {
  readonly #table = new HandleTable();
  readonly #nodes: (StoredNode | null)[];

  /** `nodes`: by handle; filled here. */
  constructor(nodes: (StoredNode | null)[]) {
    this.#nodes = nodes;
  }

  get size(): number {
    return this.#table.size;
  }

  get(id: string): StoredNode | undefined {
    const table = this.#table;
    const hash = hashOf(id, 0);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      const node = this.#nodes[table.at(place)];
      if (node?.id === id) return node;
    }
    return undefined;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** False, and nothing is added, where there is one of that id. */
  add(node: StoredNode): boolean {
    const table = this.#table;
    const hash = hashOf(node.id, 0);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      if (this.#nodes[table.at(place)]?.id === node.id) return false;
    }
    this.#nodes[node.handle] = node;
    table.add(hash, node.handle);
    return true;
  }

  delete(id: string): boolean {
    const table = this.#table;
    const hash = hashOf(id, 0);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      const handle = table.at(place);
      if (this.#nodes[handle]?.id !== id) continue;
      this.#nodes[handle] = null;
      table.delete(place);
      return true;
    }
    return false;
  }

  set(): never {
    throw new TreeStructureError('Nodes are set by adding them.');
  }

  *values(): Generator<StoredNode> {
    for (const node of this.#nodes) if (node) yield node;
  }

  *keys(): Generator<string> {
    for (const { id } of this.values()) yield id;
  }

  forEach(each: (node: StoredNode, id: string) => void): void {
    for (const node of this.values()) each(node, node.id);
  }
}
