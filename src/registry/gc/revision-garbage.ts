/** Revisions of nodes that were deleted: their rows stay, as what others were trained on, and give their bytes up. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { Database } from '../../database/database.js';
import type { Prisma } from '../../database/generated/client.js';
import { RegistryWrites, unchanged } from '../registry-writes.js';
import type { Collection } from './gc.service.js';

/** Marked in one turn of the lock. */
const TURN = 1_000;

@Injectable()
export class RevisionGarbage {
  constructor(
    private readonly database: Database,
    private readonly writes: RegistryWrites,
  ) {}

  /** Returns how many. From then on their nodes can't come back. */
  async purge(context: RequestContext, { before, dryRun }: Collection): Promise<number> {
    const where: Prisma.RevisionWhereInput = { purgedAt: null, node: { deletedAt: { lte: before } } };
    if (dryRun) return this.database.client.revision.count({ where });
    let purged = 0;
    for (;;) {
      const count = await this.#purgeSome(context, where);
      purged += count;
      if (count < TURN) return purged;
    }
  }

  #purgeSome(context: RequestContext, where: Prisma.RevisionWhereInput): Promise<number> {
    return this.writes.commit(context, async (transaction) => {
      const rows = await transaction.revision.findMany({ where, take: TURN, select: { id: true } });
      if (rows.length === 0) return unchanged(0);
      const ids = rows.map(({ id }) => id);
      await transaction.revision.updateMany({ where: { id: { in: ids } }, data: { purgedAt: new Date() } });
      return {
        result: ids.length,
        change: {},
        audit: [{ action: 'gc.purge', nodeId: null, path: null, before: null, after: { revisions: ids.length } }],
      };
    });
  }
}
