import type { AdapterTree } from '../tree/adapter-tree.js';
import { revisionRelations, toRevisionDto, type RevisionDto, type RevisionRow } from './dto/revision.dto.js';
import { isVisible, type Viewer } from './node-lookup.js';

/** What a query needs for `viewRevision`. Cards are large, and read by themselves. */
export const revisionQuery = { include: revisionRelations, omit: { card: true } } as const;

/** A revision's row as the viewer sees it. `place`: of its node, where the tree hasn't got it yet. */
export function viewRevision(
  tree: AdapterTree,
  row: RevisionRow,
  viewer: Viewer,
  place: { path: string; headId: string | null } = {
    path: tree.pathOf(row.nodeId),
    headId: tree.node(row.nodeId)?.headId ?? null,
  },
): RevisionDto {
  return toRevisionDto(row, place.path, place.headId, (nodeId) => isVisible(tree, viewer, nodeId));
}
