/**
 * The lineage of a subtree: its nodes with their revisions, and on which revision of the parent each child's head stands.
 * Taken in one go, so that it is of one moment, and stays so while it is written out.
 */
import type { AdapterTree } from './adapter-tree.js';
import type { ParentPolicy } from './records.js';
import { isStaleItself } from './stale-nodes.js';
import { pathOf, type TreeNode } from './tree-node.js';

export interface LineageRevision {
  number: number;
  digest: string;
  /** Number of the parent's revision; null where it had none, or was another node. */
  trainedOn: number | null;
  rank: number;
  bytes: number;
  recalled: boolean;
  /** Number of the revision that stands in for it. */
  fallback: number | null;
}

export interface LineageNode {
  id: string;
  path: string;
  policy: ParentPolicy;
  disabled: boolean;
  archived: boolean;
  detached: boolean;
  /** By itself, or because of a node above. */
  stale: boolean;
  /** Numbers of revisions. */
  head: number | null;
  aliases: { name: string; revision: number }[];
  revisions: LineageRevision[];
}

/** Both ends are ids of nodes. */
export interface LineageEdge {
  parent: string;
  child: string;
  policy: ParentPolicy;
  /** Number of the parent's revision that the child's head was trained on. */
  trainedOn: number | null;
  /** Number of the parent's head. */
  parentHead: number | null;
  /** Those are two. */
  stale: boolean;
}

export interface Lineage {
  /** Each before its children, siblings by name. */
  nodes: LineageNode[];
  edges: LineageEdge[];
}

/** Null where there are more than `limit` nodes. */
export function lineageOf(tree: AdapterTree, nodeId: string, limit: number): Lineage | null {
  const lineage: Lineage = { nodes: [], edges: [] };
  const top = tree.treeNode(nodeId);
  const stack = top ? [{ node: top, path: pathOf(top), stale: tree.staleness(nodeId).stale }] : [];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const { node, path, stale } = at;
    if (lineage.nodes.push(toLineageNode(tree, node, path, stale)) > limit) return null;
    if (node !== top && node.parent) lineage.edges.push(toLineageEdge(tree, node, node.parent));
    // Even to begin listing very many children takes long.
    if (lineage.nodes.length + stack.length + tree.childCount(node.id) > limit) return null;
    const children: TreeNode[] = [];
    tree.visitChildren(node.id, (child) => children.push(child) < 0);
    for (const child of children.sort((a, b) => (a.name < b.name ? 1 : -1))) {
      stack.push({ node: child, path: `${path}/${child.name}`, stale: stale || isStaleItself(child) });
    }
  }
  return lineage;
}

function toLineageNode(tree: AdapterTree, node: TreeNode, path: string, stale: boolean): LineageNode {
  const numberOf = (id: string | null) => (id === null ? null : (tree.revision(id)?.number ?? null));
  return {
    id: node.id,
    path,
    policy: node.policy,
    disabled: node.disabled,
    archived: node.archived,
    detached: node.detached,
    stale,
    head: node.head?.number ?? null,
    aliases: node.aliases
      .map(({ name, revisionId }) => ({ name, revision: numberOf(revisionId) ?? 0 }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    revisions: node.revisions.map(({ number, digest, trainedOnId, rank, bytes, recalled, fallbackId }) => ({
      number,
      digest,
      trainedOn: numberInParent(tree, node, trainedOnId),
      rank,
      bytes,
      recalled,
      fallback: numberOf(fallbackId),
    })),
  };
}

function toLineageEdge(tree: AdapterTree, child: TreeNode, parent: TreeNode): LineageEdge {
  return {
    parent: parent.id,
    child: child.id,
    policy: child.policy,
    trainedOn: child.head && numberInParent(tree, child, child.head.trainedOnId),
    parentHead: parent.head?.number ?? null,
    stale: isStaleItself(child),
  };
}

/** A node that was moved under another parent has revisions of the one before. */
function numberInParent(tree: AdapterTree, node: TreeNode, trainedOnId: string | null): number | null {
  const trainedOn = trainedOnId === null ? undefined : tree.revision(trainedOnId);
  return trainedOn && trainedOn.nodeId === node.parent?.id ? trainedOn.number : null;
}
