/** Rows from a database could hold a ring of parents, which no walk from a root would ever reach. */
import { TreeStructureError } from '../errors/tree-shape.js';
import type { TreeNode } from './tree-node.js';

const REACHES_ROOT = 1;
const WALKED = 2;

/** `nodes`: all of a tree, whose handles are 0, 1, … */
export function requireTrees(nodes: readonly TreeNode[]): void {
  const seen = new Uint8Array(nodes.length);
  let reached = 0;
  for (const node of nodes) {
    let end: TreeNode | null = node;
    for (; end && seen[end.handle] === 0; end = end.parent) seen[end.handle] = WALKED;
    // What was walked before and doesn't reach a root lies in a ring, or below one.
    if (end && seen[end.handle] !== REACHES_ROOT) continue;
    for (let at: TreeNode | null = node; at !== end && at !== null; at = at.parent) {
      seen[at.handle] = REACHES_ROOT;
      reached++;
    }
  }
  if (reached !== nodes.length) {
    throw new TreeStructureError(`${nodes.length - reached} nodes of the registry lie in a ring of parents.`);
  }
}
