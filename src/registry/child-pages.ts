/**
 * A node's children by name, from any place on. They lie in the tree, but in no order: a few are sorted there, without a
 * query; of very many, the index over (parent, name) in the database gives the next ones sooner.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { NodeRecord } from '../tree/records.js';
import { TreeMirror } from './tree-mirror.js';

/** Sorting as many takes about a millisecond. */
const SORTED_IN_MEMORY = 4_096;

@Injectable()
export class ChildPages {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
  ) {}

  /** Up to `limit` children that come after `name`; null: from the first on. */
  async after(parentId: string, name: string | null, limit: number): Promise<NodeRecord[]> {
    const { tree } = this.mirror;
    const count = tree.childCount(parentId);
    if (count === 0) return [];
    if (count <= SORTED_IN_MEMORY) {
      return tree
        .children(parentId)
        .filter((child) => name === null || child.name > name)
        .slice(0, limit);
    }
    const rows = await this.database.client.node.findMany({
      where: { parentId, deletedAt: null, ...(name === null ? {} : { name: { gt: name } }) },
      orderBy: { name: 'asc' },
      take: limit,
      select: { id: true },
    });
    // A row that was committed a moment ago and isn't in the tree yet: the next listing has it.
    return rows.flatMap(({ id }) => tree.node(id) ?? []);
  }
}
