/** How callers name a node: by id, or by a path of plain names; and which nodes a caller can see. */
import type { Caller } from '../access/scope.js';
import { NodeArchivedError, NodeNotFoundError } from '../errors/nodes.js';
import { PathSyntaxError } from '../errors/paths.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import { parsePath } from '../tree/path.js';
import type { NodeRecord } from '../tree/records.js';

/** Part of a caller that says what it sees. */
export type Viewer = Pick<Caller, 'subtree'>;

/**
 * Ids are ULIDs, in capitals, so none can be taken for a path. What the caller can't see is not found, with the same
 * words as what isn't there; suggestions come from what it sees.
 */
export function findNode(tree: AdapterTree, idOrPath: string, viewer: Viewer): NodeRecord {
  const byId = tree.node(idOrPath);
  if (byId) {
    if (!isVisible(tree, viewer, byId.id)) throw new NodeNotFoundError(idOrPath);
    return byId;
  }
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/.test(idOrPath)) throw new NodeNotFoundError(idOrPath);
  return tree.find(plainNames(idOrPath).join('/'), { within: viewer.subtree });
}

/** Whether the node lies at or below the caller's subtree. */
export function isVisible(tree: AdapterTree, { subtree }: Viewer, nodeId: string): boolean {
  return subtree === null || tree.isWithin(nodeId, subtree);
}

/** Whether it was archived, or a node above it was. */
export function isPutAway(tree: AdapterTree, nodeId: string): boolean {
  return archivedAbove(tree, nodeId) !== undefined;
}

/** Nothing is made, moved or pushed to where all is put away. */
export function refuseArchived(tree: AdapterTree, nodeId: string): void {
  const archived = archivedAbove(tree, nodeId);
  if (archived) throw new NodeArchivedError(tree.pathOf(nodeId), tree.pathOf(archived.id));
}

/** The node itself, or the nearest above it. */
function archivedAbove(tree: AdapterTree, nodeId: string): NodeRecord | undefined {
  let node = tree.node(nodeId);
  while (node && !node.archived) node = node.parentId === null ? undefined : tree.node(node.parentId);
  return node;
}

/** The names of a path, model first. A weight or a revision says what to serve, and names no node. */
export function plainNames(path: string): string[] {
  const { model, segments } = parsePath(path);
  for (const [i, { name }] of segments.entries()) {
    if (path.split('/')[i + 1] !== name) {
      throw new PathSyntaxError(path, 'the path of a node takes no ":weight" and no "@revision".');
    }
  }
  return [model, ...segments.map(({ name }) => name)];
}
