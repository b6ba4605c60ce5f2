/** Revisions that a request names within a node, or the reason why it can't have them. */
import { RevisionNotFoundError, RevisionRecalledError } from '../errors/revisions.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import type { RevisionRecord } from '../tree/records.js';
import type { RevisionReference } from './dto/revision.dto.js';
import { findRevision } from './revision-lookup.js';

export function revisionOfNode(tree: AdapterTree, nodeId: string, reference: RevisionReference): RevisionRecord {
  const revision = findRevision(tree, nodeId, reference);
  if (revision) return revision;
  const numbers = tree.revisions(nodeId).map(({ number }) => number);
  throw new RevisionNotFoundError(tree.pathOf(nodeId), reference, numbers);
}

/** One that may be served: recalled ones are refused. */
export function servableRevision(tree: AdapterTree, nodeId: string, reference: RevisionReference): RevisionRecord {
  const revision = revisionOfNode(tree, nodeId, reference);
  if (revision.recalled) throw new RevisionRecalledError(tree.pathOf(nodeId), revision.number);
  return revision;
}
