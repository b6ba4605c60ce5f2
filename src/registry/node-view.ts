import type { AdapterTree } from '../tree/adapter-tree.js';
import type { NodeRecord } from '../tree/records.js';
import { toNodeDto, type NodeDto } from './dto/node.dto.js';

/** A node as the tree has it now. */
export function viewNode(tree: AdapterTree, record: NodeRecord): NodeDto {
  const path = tree.pathOf(record.id);
  const head = record.headId === null ? undefined : tree.revision(record.headId);
  return toNodeDto(record, {
    path,
    model: path.split('/')[0] ?? path,
    parent: record.parentId === null ? null : tree.pathOf(record.parentId),
    stale: tree.staleness(record.id).stale,
    head: head ? { id: head.id, number: head.number, digest: head.digest, rank: head.rank } : null,
    revisions: tree.revisions(record.id).length,
    children: tree.childCount(record.id),
  });
}
