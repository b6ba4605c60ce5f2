/** Which adapters pinned nodes want in host memory, as the tree is now. */
import type { RevisionRecord } from '../../tree/records.js';
import type { TreeNode } from '../../tree/tree-node.js';

/** The head of a pinned node. */
export interface PinnedHead {
  nodeId: string;
  modelId: string;
  revision: RevisionRecord;
}

/**
 * The node that was made first comes first. Left out is what no request can get: nodes that are off or put away, or lie
 * below such a one, and those without a head. An adapter that several nodes serve is there once.
 */
export function pinnedHeads(nodes: Iterable<TreeNode>): PinnedHead[] {
  const heads = new Map<string, PinnedHead>();
  for (const node of [...nodes].sort((one, other) => (one.id < other.id ? -1 : 1))) {
    const { id: nodeId, modelId, head: revision } = node;
    if (revision === null || revision.recalled || !isServed(node)) continue;
    const key = `${modelId} ${revision.digest}`;
    if (!heads.has(key)) heads.set(key, { nodeId, modelId, revision });
  }
  return [...heads.values()];
}

function isServed(node: TreeNode): boolean {
  for (let at: TreeNode | null = node; at; at = at.parent) if (at.disabled || at.archived) return false;
  return true;
}
