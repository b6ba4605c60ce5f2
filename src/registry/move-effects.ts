import type { AdapterTree } from '../tree/adapter-tree.js';
import type { NodeRecord } from '../tree/records.js';

/** No more are named. */
const MAX_NAMED = 100;

/**
 * Paths of the nodes whose sum a move to another parent could change: those with revisions at or below the node, if
 * there is an adapter above it now or will be. Where neither is so, the move is only a change of address.
 */
export function affectedByMove(tree: AdapterTree, node: NodeRecord, newParent: NodeRecord): string[] {
  const before = node.parentId === null ? undefined : tree.node(node.parentId);
  if (!hasAdapters(tree, before) && !hasAdapters(tree, newParent)) return [];
  const affected: string[] = [];
  for (const { id } of tree.subtree(node.id)) {
    if (tree.revisions(id).length > 0) affected.push(tree.pathOf(id));
    if (affected.length >= MAX_NAMED) break;
  }
  return affected;
}

/** At the node or above it. */
function hasAdapters(tree: AdapterTree, node: NodeRecord | undefined): boolean {
  for (let at = node; at; at = at.parentId === null ? undefined : tree.node(at.parentId)) {
    if (tree.revisions(at.id).length > 0) return true;
  }
  return false;
}
