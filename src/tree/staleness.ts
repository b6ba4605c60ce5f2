/**
 * A node is stale when its parent's head is no longer what its own head was trained on; so is all below it. It is
 * served as pinned all the same.
 */
import type { RevisionRecord } from './records.js';
import { isStaleItself } from './stale-nodes.js';
import { lineage, pathOf, type TreeView } from './tree-node.js';

/** One node on the way from the root whose head was trained on something else than its parent's head. */
export interface StaleLink {
  nodeId: string;
  nodePath: string;
  /** The node's head. */
  head: RevisionRecord;
  /** What the head was trained on; null: the parent had no revision then. */
  trainedOn: RevisionRecord | null;
  /** What the parent serves now. */
  parentHead: RevisionRecord | null;
}

export interface Staleness {
  stale: boolean;
  /** Root to leaf; empty where nothing is stale. */
  chain: StaleLink[];
}

export function staleness(tree: TreeView, nodeId: string): Staleness {
  const node = tree.treeNode(nodeId);
  const chain: StaleLink[] = [];
  for (const at of node ? lineage(node) : []) {
    const { head, parent } = at;
    if (!head || !parent || !isStaleItself(at)) continue;
    chain.push({
      nodeId: at.id,
      nodePath: pathOf(at),
      head,
      trainedOn: head.trainedOnId === null ? null : (tree.revision(head.trainedOnId) ?? null),
      parentHead: parent.head,
    });
  }
  return { stale: chain.length > 0, chain };
}
