/**
 * Several rows in one query each, for readers that gather what they need first. What the caller can't see is null, as is
 * what isn't there.
 */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import type { Caller } from '../access/scope.js';
import { Database } from '../database/database.js';
import { toAliasDto, type AliasDto } from './aliases/alias.dto.js';
import type { NodeDto } from './dto/node.dto.js';
import { revisionRelations, type RevisionDto } from './dto/revision.dto.js';
import { isVisible } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { viewRevision } from './revision-view.js';
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

  /** By ids of nodes; by name each. */
  async aliases({ caller }: RequestContext, nodeIds: readonly string[]): Promise<AliasDto[][]> {
    const { tree } = this.mirror;
    // The tree knows which nodes have any.
    const withAliases = nodeIds.filter((id) => tree.aliases(id).length > 0 && isVisible(tree, caller, id));
    if (withAliases.length === 0) return nodeIds.map(() => []);
    const rows = await this.database.client.alias.findMany({
      where: { nodeId: { in: withAliases } },
      orderBy: { name: 'asc' },
    });
    const byNode = new Map<string, AliasDto[]>(withAliases.map((id) => [id, []]));
    for (const row of rows) {
      const named = tree.revision(row.revisionId);
      if (!named) continue;
      const revision = { id: named.id, number: named.number, digest: named.digest };
      byNode.get(row.nodeId)?.push(toAliasDto({ ...row, revision }, tree.pathOf(row.nodeId)));
    }
    return nodeIds.map((id) => byNode.get(id) ?? []);
  }

  /** What a revision was trained on and what stands in for it, the tree knows too. */
  async revisions({ caller }: RequestContext, ids: readonly string[]): Promise<(RevisionDto | null)[]> {
    const { tree } = this.mirror;
    const visible = this.#visibleRevisions(caller, ids);
    if (visible.length === 0) return ids.map(() => null);
    const rows = await this.database.client.revision.findMany({
      where: { id: { in: visible } },
      include: { metrics: revisionRelations.metrics },
      omit: { card: true },
    });
    const byId = new Map(
      rows.flatMap((row) => {
        if (!tree.node(row.nodeId)) return [];
        const known = (id: string | null) => (id === null ? null : (tree.revision(id) ?? null));
        const whole = { ...row, trainedOn: known(row.trainedOnId), fallback: known(row.fallbackId) };
        return [[row.id, viewRevision(tree, whole, caller)]];
      }),
    );
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** Markdown, by ids of revisions. */
  async cards({ caller }: RequestContext, ids: readonly string[]): Promise<(string | null)[]> {
    const rows = await this.database.client.revision.findMany({
      where: { id: { in: this.#visibleRevisions(caller, ids) } },
      select: { id: true, card: true },
    });
    const byId = new Map(rows.map(({ id, card }) => [id, card]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  #visibleRevisions(caller: Caller, ids: readonly string[]): string[] {
    const { tree } = this.mirror;
    return ids.filter((id) => {
      const revision = tree.revision(id);
      return revision !== undefined && isVisible(tree, caller, revision.nodeId);
    });
  }
}
