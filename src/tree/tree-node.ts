/** A node as the tree holds it: its record, and pointers where the record has ids, so that a walk needs no look-ups. */
import type { ModelRecord, NodeRecord, RevisionRecord } from './records.js';

export interface TreeNode {
  readonly record: NodeRecord;
  readonly parent: TreeNode | null;
  readonly head: RevisionRecord | null;
  /** By number, ascending. */
  readonly revisions: readonly RevisionRecord[];
  /** A number of its own in this tree, for as long as the process lives. */
  readonly handle: number;
}

/** What resolution, staleness and suggestions read of the tree. */
export interface TreeView {
  model(name: string): ModelRecord | undefined;
  models(): Iterable<ModelRecord>;
  treeNode(id: string): TreeNode | undefined;
  childOf(parent: TreeNode, name: string): TreeNode | undefined;
  childCount(id: string): number;
  /** The children in no particular order, until `visit` returns true. */
  visitChildren(id: string, visit: (child: TreeNode) => boolean): void;
  revision(id: string): RevisionRecord | undefined;
}

/** Root to leaf, with the node itself. */
export function lineage(node: TreeNode): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at: TreeNode | null = node; at; at = at.parent) nodes.push(at);
  return nodes.reverse();
}

/** Path of a node, model first. */
export function pathOf(node: TreeNode): string {
  return lineage(node)
    .map(({ record }) => record.name)
    .join('/');
}
