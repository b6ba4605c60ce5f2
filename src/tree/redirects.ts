/** Names that nodes had before they moved: the old path keeps leading to them until the redirect is dropped. */
import type { RedirectRecord } from './records.js';
import type { TreeNode, TreeView } from './tree-node.js';

/** What stands in the way of a node that is to have the name: the redirect of another. Its own gives way to it. */
export function redirectOfAnother(parent: TreeNode, name: string, nodeId: string): RedirectRecord | undefined {
  return parent.redirects.find((one) => one.name === name && one.nodeId !== nodeId);
}

/** The child of that name, or else the node that had the name under this parent. */
export function childOrRedirect(tree: TreeView, parent: TreeNode, name: string): TreeNode | undefined {
  const child = tree.childOf(parent, name);
  if (child || parent.redirects.length === 0) return child;
  const redirect = parent.redirects.find((one) => one.name === name);
  return redirect && tree.treeNode(redirect.nodeId);
}
