import type { AdapterTree } from '../tree/adapter-tree.js';
import { toNodeDto, type NodeDto, type NodeRow } from './dto/node.dto.js';

/** A node's row, with its place in the tree as that is now. */
export function viewNode(tree: AdapterTree, row: NodeRow): NodeDto {
  const path = tree.pathOf(row.id);
  const record = tree.node(row.id);
  const head = record?.headId == null ? undefined : tree.revision(record.headId);
  return toNodeDto(row, {
    path,
    model: path.split('/')[0] ?? path,
    parent: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : null,
    stale: tree.staleness(row.id).stale,
    head: head ? { id: head.id, number: head.number, digest: head.digest, rank: head.rank } : null,
    aliases: tree
      .aliases(row.id)
      .map(({ name, revisionId, protected: isProtected }) => ({
        name,
        revision: tree.revision(revisionId)?.number ?? 0,
        protected: isProtected,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    revisions: tree.revisions(row.id).length,
    children: tree.childCount(row.id),
  });
}
