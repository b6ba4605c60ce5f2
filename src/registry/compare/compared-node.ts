/** What one side of a comparison names, and where that comes from. */
import { RevisionNotFoundError } from '../../errors/revisions.js';
import type { AdapterTree } from '../../tree/adapter-tree.js';
import type { NodeRecord, RevisionRecord } from '../../tree/records.js';
import { findNode, isVisible, type Viewer } from '../node-lookup.js';
import { findRevision } from '../revision-lookup.js';
import type { LineageStep } from './comparison.dto.js';

export interface ComparedNode {
  node: NodeRecord;
  /** Null where the node has none. */
  revision: RevisionRecord | null;
}

const WITH_REVISION = /^(.+)@([^/@]+)$/;

/** Recalled revisions, and those of nodes that aren't served, are compared like any other. */
export function comparedNode(tree: AdapterTree, side: string, viewer: Viewer): ComparedNode {
  const [, path = side, reference] = WITH_REVISION.exec(side) ?? [];
  const node = findNode(tree, path, viewer);
  if (reference === undefined) {
    return { node, revision: node.headId === null ? null : (tree.revision(node.headId) ?? null) };
  }
  const alias = tree.aliases(node.id).find(({ name }) => name === reference);
  const revision = alias ? tree.revision(alias.revisionId) : findRevision(tree, node.id, reference);
  if (revision) return { node, revision };
  const numbers = tree.revisions(node.id).map(({ number }) => number);
  throw new RevisionNotFoundError(tree.pathOf(node.id), reference, numbers);
}

/** What the revision was trained on, and what that was trained on, from the base down to itself. */
export function lineageOf(tree: AdapterTree, { node, revision }: ComparedNode, viewer: Viewer): LineageStep[] {
  const steps: LineageStep[] = [];
  for (let at = revision; at; at = at.trainedOnId === null ? null : (tree.revision(at.trainedOnId) ?? null)) {
    const inFull = isVisible(tree, viewer, at.nodeId);
    steps.push({
      // Names above are part of the caller's own paths; a node that it was trained under elsewhere may not be.
      path: inFull || tree.isWithin(node.id, at.nodeId) ? tree.pathOf(at.nodeId) : null,
      number: at.number,
      id: inFull ? at.id : null,
      digest: inFull ? at.digest : null,
      recalled: at.recalled,
    });
  }
  return steps.reverse();
}
