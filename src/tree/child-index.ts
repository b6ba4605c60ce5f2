/**
 * Finds a child by its parent and its name, which is the one look-up that every segment of every path makes.
 *
 * One Map for the whole tree, keyed by a 30-bit hash of the parent's handle and the name; nodes whose hashes fall together
 * are linked. Keys that are small integers keep the Map fast, and cost a tenth of what a string `parent/name` does in
 * memory. A Map a parent would cost more than the nodes themselves where families are small.
 */
import type { StoredNode, TreeNode } from './tree-node.js';

export class ChildIndex {
  readonly #byHash = new Map<number, StoredNode>();

  get(parent: TreeNode, name: string): StoredNode | undefined {
    let node: StoredNode | null | undefined = this.#byHash.get(hash(parent.handle, name));
    while (node && (node.parent !== parent || node.name !== name)) node = node.nextAlike;
    return node ?? undefined;
  }

  /** A node under a parent that has no child of that name. */
  add(node: StoredNode): void {
    const key = keyOf(node);
    if (key === null) return;
    node.nextAlike = this.#byHash.get(key) ?? null;
    this.#byHash.set(key, node);
  }

  /** With the parent and the name that it was added with. */
  delete(node: StoredNode): void {
    const key = keyOf(node);
    if (key === null) return;
    const rest: StoredNode[] = [];
    for (let at = this.#byHash.get(key) ?? null; at; at = at.nextAlike) if (at !== node) rest.push(at);
    this.#byHash.delete(key);
    for (const other of rest) this.add(other);
    node.nextAlike = null;
  }
}

function keyOf(node: StoredNode): number | null {
  return node.parent && hash(node.parent.handle, node.name);
}

/** FNV-1a over the name's UTF-16 units, seeded with the handle (http://www.isthe.com/chongo/tech/comp/fnv). */
function hash(handle: number, name: string): number {
  let h = Math.imul(handle ^ 0x811c9dc5, 0x01000193);
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  // The low bits of FNV are weak; 30 of them fit a small integer on every platform.
  return (h ^ (h >>> 15)) & 0x3fffffff;
}
