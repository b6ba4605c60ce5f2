/**
 * Which nodes are stale by themselves: their head was trained on something else than their parent's head. Kept up to date
 * with every change, so that nobody has to search a tree of a million nodes for the few.
 *
 * What a tree was loaded with is looked through a little at a time, when there is time, or else all at once when somebody
 * asks. Changes meanwhile are no harm: each node is taken as it is.
 */
import type { StoredNode, TreeNode } from './tree-node.js';

export class StaleNodes implements Iterable<TreeNode> {
  readonly #nodes = new Set<StoredNode>();
  /** What is still to look through, from the place on. */
  #unseen: readonly (StoredNode | null)[] = [];
  #at = 0;

  get size(): number {
    this.look(Infinity);
    return this.#nodes.size;
  }

  /** All of a tree; a null is a node that is gone. Whoever takes one out of the tree leaves a null there. */
  lookThrough(nodes: readonly (StoredNode | null)[]): void {
    this.#unseen = nodes;
    this.#at = 0;
  }

  /** At the next `count` of those; false: all have been seen. */
  look(count: number): boolean {
    const end = Math.min(this.#unseen.length, this.#at + count);
    for (; this.#at < end; this.#at++) {
      const node = this.#unseen[this.#at];
      if (node?.isStaleItself) this.#nodes.add(node);
    }
    return this.#at < this.#unseen.length;
  }

  /** A node whose head or parent is another now, or whose parent's head is. */
  update(node: StoredNode): void {
    if (node.isStaleItself) this.#nodes.add(node);
    else this.#nodes.delete(node);
  }

  delete(node: StoredNode): void {
    this.#nodes.delete(node);
  }

  /** In no particular order. The tree may change while somebody walks through them. */
  [Symbol.iterator](): Iterator<TreeNode> {
    this.look(Infinity);
    return this.#nodes.values();
  }
}

export function isStaleItself({ head, parent }: TreeNode): boolean {
  return head !== null && parent !== null && head.trainedOnId !== (parent.head?.id ?? null);
}
