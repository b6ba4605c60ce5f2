/**
 * Several rows in one query each, for readers that gather what they need first. What the caller can't see is null, as is
 * what isn't there.
 */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import { Database } from '../database/database.js';
import type { NodeDto } from './dto/node.dto.js';
import { revisionRelations, toRevisionDto, type RevisionDto } from './dto/revision.dto.js';
import { isVisible } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { TreeMirror } from './tree-mirror.js';

@Injectable()
export class BatchReads {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
  ) {}

  async nodes({ caller }: RequestContext, ids: readonly string[]): Promise<(NodeDto | null)[]> {
    const { tree } = this.mirror;
    const visible = ids.filter((id) => tree.node(id) && isVisible(tree, caller, id));
    if (visible.length === 0) return ids.map(() => null);
    const rows = await this.database.client.node.findMany({ where: { id: { in: visible } } });
    const byId = new Map(rows.flatMap((row) => (tree.node(row.id) ? [[row.id, viewNode(tree, row)]] : [])));
    return ids.map((id) => byId.get(id) ?? null);
  }

  async revisions({ caller }: RequestContext, ids: readonly string[]): Promise<(RevisionDto | null)[]> {
    const { tree } = this.mirror;
    const visible = ids.filter((id) => {
      const revision = tree.revision(id);
      return revision !== undefined && isVisible(tree, caller, revision.nodeId);
    });
    if (visible.length === 0) return ids.map(() => null);
    const rows = await this.database.client.revision.findMany({
      where: { id: { in: visible } },
      include: revisionRelations,
    });
    const byId = new Map(
      rows.flatMap((row) => {
        const node = tree.node(row.nodeId);
        return node ? [[row.id, toRevisionDto(row, tree.pathOf(node.id), node.headId)]] : [];
      }),
    );
    return ids.map((id) => byId.get(id) ?? null);
  }
}
