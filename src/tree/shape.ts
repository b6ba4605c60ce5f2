/** What keeps the tree a tree: one name under a parent, no cycles, one model a tree, and no deeper than a path can say. */
import { NameTakenError, NodeCycleError, NodeNotFoundError, NodeTooDeepError, TreeStructureError } from '../errors.js';
import { MAX_DEPTH } from './path.js';
import type { NodeRecord } from './records.js';
import type { TreeView } from './tree-view.js';

/** Throws where a node, new or changed, would break the tree's shape. */
export function checkPlace(tree: TreeView, node: NodeRecord): void {
  const before = tree.treeNode(node.id)?.record;
  if (before && before.modelId !== node.modelId) {
    throw new TreeStructureError(`"${tree.pathOf(node.id)}" can't leave its model. Push its adapter to the other one.`);
  }
  if (before && (before.parentId === null) !== (node.parentId === null)) {
    throw new TreeStructureError(`"${tree.pathOf(node.id)}" can't become or stop being the root of its tree.`);
  }
  if (node.parentId === null) return;

  const parent = tree.treeNode(node.parentId)?.record;
  if (!parent) throw new NodeNotFoundError(node.parentId);
  if (parent.modelId !== node.modelId) {
    throw new TreeStructureError(`"${node.name}" and its parent "${tree.pathOf(parent.id)}" must be of one model.`);
  }
  const sibling = tree.child(parent.id, node.name);
  if (sibling && sibling.record.id !== node.id) throw new NameTakenError(tree.pathOf(sibling.record.id));
  if (before && isWithin(tree, parent.id, node.id)) {
    throw new NodeCycleError(tree.pathOf(node.id), tree.pathOf(parent.id));
  }
  const depth = depthOf(tree, parent.id) + 1;
  if (before && depth <= depthOf(tree, node.id)) return;
  const height = before ? heightOf(tree, node.id) : 0;
  if (depth + height > MAX_DEPTH) throw new NodeTooDeepError(`${tree.pathOf(parent.id)}/${node.name}`, MAX_DEPTH);
}

/** Whether `id` is `ancestorId` or lies below it. */
export function isWithin(tree: TreeView, id: string, ancestorId: string): boolean {
  for (let at: string | null = id; at !== null; at = tree.treeNode(at)?.record.parentId ?? null) {
    if (at === ancestorId) return true;
  }
  return false;
}

/** Segments after the model. */
function depthOf(tree: TreeView, id: string): number {
  let depth = -1;
  for (let at: string | null = id; at !== null; at = tree.treeNode(at)?.record.parentId ?? null) depth++;
  return depth;
}

/** Levels below a node. */
function heightOf(tree: TreeView, id: string): number {
  let height = -1;
  for (let level = [id]; level.length > 0; height++) {
    const next: string[] = [];
    for (const at of level) {
      tree.visitChildren(at, ({ record }) => {
        next.push(record.id);
        return false;
      });
    }
    level = next;
  }
  return height;
}
