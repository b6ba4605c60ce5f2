/** The moves of a node's head, newest first. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { Database } from '../../database/database.js';
import { cursorKey, toPage, type Page, type PageQuery } from '../dto/page.js';
import { findNode } from '../node-lookup.js';
import { TreeMirror } from '../tree-mirror.js';
import { headMoveRelations, toHeadMoveDto, type HeadMoveDto } from './history.dto.js';

@Injectable()
export class HistoryService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
  ) {}

  async list({ caller }: RequestContext, idOrPath: string, page: PageQuery): Promise<Page<HeadMoveDto>> {
    const { limit, cursor } = page;
    const { id } = findNode(this.mirror.tree, idOrPath, caller);
    const last = cursorKey(cursor, /^\d{1,18}$/);
    const rows = await this.database.client.headChange.findMany({
      where: { nodeId: id, ...(last === null ? {} : { sequence: { lt: BigInt(last) } }) },
      orderBy: { sequence: 'desc' },
      take: limit + 1,
      include: headMoveRelations,
    });
    const moves = rows.map((row, i) => ({ row, before: rows[i + 1] }));
    return toPage(
      moves,
      limit,
      ({ row }) => String(row.sequence),
      ({ row, before }) => toHeadMoveDto(row, before),
    );
  }
}
