/** Where a push goes, and what its adapter stands on. */
import { NodeNotFoundError, RootNodeError } from '../errors/nodes.js';
import { TrainedOnError } from '../errors/revisions.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import type { NodeRecord, RevisionRecord } from '../tree/records.js';
import type { RevisionReference } from './dto/revision.dto.js';
import { findNode, isVisible, plainNames, refuseArchived, type Viewer } from './node-lookup.js';
import { findRevision } from './revision-lookup.js';

export interface PushTarget {
  path: string;
  parent: NodeRecord;
  name: string;
  /** Null where it is to be made: only the last segment is missing. */
  node: NodeRecord | null;
}

const NEW_NODE = {
  id: '',
  policy: 'pinned',
  disabled: false,
  detached: false,
  archived: false,
  pinned: false,
  headId: null,
  version: 1,
} as const;

export function pushTarget(tree: AdapterTree, path: string, viewer: Viewer): PushTarget {
  const names = plainNames(path);
  const name = names.at(-1) ?? '';
  if (names.length === 1) {
    throw new RootNodeError(name, `takes no adapter itself. Push to a path under it, like "${name}/french"`);
  }
  const found = existing(tree, names, viewer);
  const parent = found ? parentOf(tree, found) : findNode(tree, names.slice(0, -1).join('/'), viewer);
  // The parent may have been found where it lies now, and not where it was.
  const node = found ?? tree.child(parent.id, name)?.record ?? null;
  refuseArchived(tree, node?.id ?? parent.id);
  if (!node) {
    const { id: parentId, modelId } = parent;
    tree.check({ ...NEW_NODE, modelId, parentId, name }, { within: viewer.subtree });
  }
  return { path: `${tree.pathOf(parent.id)}/${name}`, parent, name: node?.name ?? name, node };
}

/** The node itself, if the caller can see it: its parent may lie out of sight then. */
function existing(tree: AdapterTree, names: readonly string[], viewer: Viewer): NodeRecord | undefined {
  const node = tree.nodeByPath(names);
  return node && isVisible(tree, viewer, node.id) ? node : undefined;
}

function parentOf(tree: AdapterTree, { id, parentId }: NodeRecord): NodeRecord {
  const parent = parentId === null ? undefined : tree.node(parentId);
  if (!parent) throw new NodeNotFoundError(id);
  return parent;
}

export interface TrainedOn {
  /** Null where the parent has no revision: the root, or a node that is empty. */
  revision: RevisionRecord | null;
  warnings: string[];
}

/** What the push names, which must be a revision of the parent; else the parent's head, and a warning that says so. */
export function trainedOnOf(tree: AdapterTree, parent: NodeRecord, given: RevisionReference | undefined): TrainedOn {
  if (given !== undefined) {
    const revision = findRevision(tree, parent.id, given);
    if (revision) return { revision, warnings: [] };
    const numbers = tree.revisions(parent.id).map(({ number }) => number);
    throw new TrainedOnError(tree.pathOf(parent.id), given, numbers);
  }
  const head = parent.headId === null ? undefined : tree.revision(parent.headId);
  if (!head) return { revision: null, warnings: [] };
  const warning = `trainedOn was left out, and is taken to be the head of "${tree.pathOf(parent.id)}", revision ${head.number}.`;
  return { revision: head, warnings: [warning] };
}
