/** What keeps the tree a tree: one name under a parent, no cycles, one model a tree, and no deeper than a path can say. */
import { NodeNotFoundError } from '../errors/nodes.js';
import { NameRedirectedError, NameTakenError } from '../errors/paths.js';
import { NodeCycleError, NodeTooDeepError, TreeStructureError } from '../errors/tree-shape.js';
import { MAX_DEPTH } from './path.js';
import type { NodeRecord } from './records.js';
import { redirectOfAnother } from './redirects.js';
import { lineage, pathOf, type TreeNode, type TreeView } from './tree-node.js';

/**
 * Throws where a node, new or changed, would break the tree's shape, or take a name that leads on to another node.
 * `within`: where the caller may see that one; null: everywhere.
 */
export function checkPlace(tree: TreeView, node: NodeRecord, within: string | null = null): void {
  const before = tree.treeNode(node.id);
  if (before && before.modelId !== node.modelId) {
    throw new TreeStructureError(`"${pathOf(before)}" can't leave its model. Push its adapter to the other one.`);
  }
  if (before && (before.parent === null) !== (node.parentId === null)) {
    throw new TreeStructureError(`"${pathOf(before)}" can't become or stop being the root of its tree.`);
  }
  if (node.parentId === null) return;

  const parent = tree.treeNode(node.parentId);
  if (!parent) throw new NodeNotFoundError(node.parentId);
  if (parent.modelId !== node.modelId) {
    throw new TreeStructureError(`"${node.name}" and its parent "${pathOf(parent)}" must be of one model.`);
  }
  const sibling = tree.childOf(parent, node.name);
  if (sibling && sibling.id !== node.id) throw new NameTakenError(pathOf(sibling));
  const redirect = redirectOfAnother(parent, node.name, node.id);
  if (redirect) {
    const target = tree.treeNode(redirect.nodeId);
    const shown = target && (within === null || isWithin(target, within)) ? pathOf(target) : null;
    throw new NameRedirectedError(`${pathOf(parent)}/${node.name}`, redirect.id, shown);
  }
  if (before && isWithin(parent, node.id)) throw new NodeCycleError(pathOf(before), pathOf(parent));
  // The parent's lineage counts the model, and so stands for the node itself.
  const depth = lineage(parent).length;
  if (before && depth <= lineage(before).length - 1) return;
  const height = before ? heightOf(tree, node.id) : 0;
  if (depth + height > MAX_DEPTH) throw new NodeTooDeepError(`${pathOf(parent)}/${node.name}`, MAX_DEPTH);
}

/** Whether a node is the one of that id or lies below it. */
export function isWithin(node: TreeNode, ancestorId: string): boolean {
  for (let at: TreeNode | null = node; at; at = at.parent) if (at.id === ancestorId) return true;
  return false;
}

/** Levels below a node. */
function heightOf(tree: TreeView, id: string): number {
  let height = -1;
  for (let level = [id]; level.length > 0; height++) {
    const next: string[] = [];
    for (const at of level) {
      tree.visitChildren(at, ({ id: child }) => {
        next.push(child);
        return false;
      });
    }
    level = next;
  }
  return height;
}
