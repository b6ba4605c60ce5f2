/**
 * Which nodes are stale by themselves: their head was trained on something else than their parent's head. Kept up to date
 * with every change, so that nobody has to search a tree of a million nodes for the few.
 */
import type { StoredNode, TreeNode } from './tree-node.js';

export class StaleNodes implements Iterable<TreeNode> {
  readonly #nodes = new Set<StoredNode>();

  get size(): number {
    return this.#nodes.size;
  }

  /** A node whose head or parent is another now, or whose parent's head is. */
  update(node: StoredNode): void {
    if (isStaleItself(node)) this.#nodes.add(node);
    else this.#nodes.delete(node);
  }

  delete(node: StoredNode): void {
    this.#nodes.delete(node);
  }

  /** In no particular order. The tree may change while somebody walks through them. */
  [Symbol.iterator](): Iterator<TreeNode> {
    return this.#nodes.values();
  }
}

export function isStaleItself({ head, parent }: TreeNode): boolean {
  return head !== null && parent !== null && head.trainedOnId !== (parent.head?.id ?? null);
}
