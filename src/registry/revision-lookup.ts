import { UnknownRevisionError } from '../errors/revisions.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import type { RevisionRecord } from '../tree/records.js';
import type { RevisionReference } from './dto/revision.dto.js';
import { isVisible, type Viewer } from './node-lookup.js';

/** A revision of the node, by its number (also as text, as it comes in a form) or by its id. */
export function findRevision(
  tree: AdapterTree,
  nodeId: string,
  reference: RevisionReference,
): RevisionRecord | undefined {
  const number = typeof reference === 'number' || /^[0-9]{1,9}$/.test(reference) ? Number(reference) : null;
  if (number !== null) return tree.revisions(nodeId).find((revision) => revision.number === number);
  const revision = tree.revision(String(reference));
  return revision?.nodeId === nodeId ? revision : undefined;
}

/** A revision by its id alone. What the caller can't see is not found. */
export function revisionOfId(tree: AdapterTree, id: string, viewer: Viewer): RevisionRecord {
  const revision = tree.revision(id);
  if (!revision || !isVisible(tree, viewer, revision.nodeId)) throw new UnknownRevisionError(id);
  return revision;
}
