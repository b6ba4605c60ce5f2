/**
 * Finds a child by its parent and its name, which is the one look-up that every segment of every path makes.
 *
 * One table for the whole tree, by a hash of the parent's handle and the name. A Map a parent would cost more than the
 * nodes themselves where families are small.
 */
import { HandleTable, hashOf } from './handle-table.js';
import type { StoredNode, TreeNode } from './tree-node.js';

export class ChildIndex {
  readonly #table = new HandleTable();
  readonly #nodes: readonly (StoredNode | null)[];

  /** `nodes`: by handle, now and later. */
  constructor(nodes: readonly (StoredNode | null)[]) {
    this.#nodes = nodes;
  }

  get(parent: TreeNode, name: string): StoredNode | undefined {
    const table = this.#table;
    const hash = hashOf(name, parent.handle);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      const node = this.#nodes[table.at(place)];
      if (node?.parent === parent && node.name === name) return node;
    }
    return undefined;
  }

  /** A node under its parent. False, and nothing is added, where that has a child of the name. */
  add(node: StoredNode, parent: StoredNode): boolean {
    const table = this.#table;
    const hash = hashOf(node.name, parent.handle);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      const other = this.#nodes[table.at(place)];
      if (other?.parent === parent && other.name === node.name) return false;
    }
    table.add(hash, node.handle);
    return true;
  }

  /** With the parent and the name that it was added with. */
  delete(node: StoredNode, parent: StoredNode): void {
    const table = this.#table;
    const hash = hashOf(node.name, parent.handle);
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      if (table.at(place) === node.handle) return table.delete(place);
    }
  }
}
