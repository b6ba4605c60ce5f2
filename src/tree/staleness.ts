/**
 * A node is stale when its parent's head is no longer what its own head was trained on; so is all below it. It is
 * served as pinned all the same.
 */
import type { RevisionRecord } from './records.js';
import type { TreeView } from './tree-view.js';

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
  const chain: StaleLink[] = [];
  let node = tree.treeNode(nodeId);
  while (node && node.record.parentId !== null) {
    const parent = tree.treeNode(node.record.parentId);
    const head = revisionOf(tree, node.record.headId);
    const parentHeadId = parent?.record.headId ?? null;
    if (head && head.trainedOnId !== parentHeadId) {
      chain.push({
        nodeId: node.record.id,
        nodePath: tree.pathOf(node.record.id),
        head,
        trainedOn: revisionOf(tree, head.trainedOnId),
        parentHead: revisionOf(tree, parentHeadId),
      });
    }
    node = parent;
  }
  return { stale: chain.length > 0, chain: chain.reverse() };
}

function revisionOf(tree: TreeView, id: string | null): RevisionRecord | null {
  return id === null ? null : (tree.revision(id) ?? null);
}
