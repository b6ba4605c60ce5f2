/** What resolution, staleness and suggestions read of the tree. */
import type { ModelRecord, NodeRecord, RevisionRecord } from './records.js';

/** A node as the tree holds it. */
export interface TreeNode {
  readonly record: NodeRecord;
  /** By number, ascending. */
  readonly revisions: readonly RevisionRecord[];
}

export interface TreeView {
  model(name: string): ModelRecord | undefined;
  models(): Iterable<ModelRecord>;
  treeNode(id: string): TreeNode | undefined;
  child(parentId: string, name: string): TreeNode | undefined;
  childCount(id: string): number;
  /** The children in no particular order, until `visit` returns true. */
  visitChildren(id: string, visit: (child: TreeNode) => boolean): void;
  revision(id: string): RevisionRecord | undefined;
  revisionNumbered(node: TreeNode, number: number): RevisionRecord | undefined;
  /** Path of a node, model first. */
  pathOf(id: string): string;
}
