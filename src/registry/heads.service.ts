/** Which revision a node serves by default, and the history of that. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import type { Transaction } from '../database/database.js';
import { NothingToRollBackError } from '../errors/revisions.js';
import type { NodeRecord, RevisionRecord } from '../tree/records.js';
import type { NodeDto } from './dto/node.dto.js';
import type { Promote } from './dto/revision.dto.js';
import { previousHead, recordHead, type HeadReason } from './head-moves.js';
import { NodeChanges, type NodeChange } from './node-changes.js';
import { servableRevision } from './revision-of-node.js';
import { TreeMirror } from './tree-mirror.js';

@Injectable()
export class HeadsService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly changes: NodeChanges,
  ) {}

  /** Does nothing where the revision is the head already. */
  promote(
    context: RequestContext,
    idOrPath: string,
    { revision: reference }: Promote,
    expectedVersion?: number,
  ): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, (node, _path, transaction) => {
      const revision = servableRevision(this.mirror.tree, node.id, reference);
      return this.#setHead(context, transaction, node, revision, 'promote');
    });
  }

  /** To the head before this one; again, to the one before that. */
  rollback(context: RequestContext, idOrPath: string, expectedVersion?: number): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, async (node, path, transaction) => {
      const previous = await this.previousHead(transaction, node.id);
      if (!previous) throw new NothingToRollBackError(path);
      return this.#setHead(context, transaction, node, previous, 'rollback');
    });
  }

  /** What a rollback would lead to. */
  async previousHead(transaction: Transaction, nodeId: string): Promise<RevisionRecord | null> {
    const history = await transaction.headChange.findMany({
      where: { nodeId },
      orderBy: { sequence: 'asc' },
      select: { revisionId: true, reason: true },
    });
    const { tree } = this.mirror;
    const id = previousHead(history, (revisionId) => tree.revision(revisionId)?.recalled === false);
    return id === null ? null : (tree.revision(id) ?? null);
  }

  async #setHead(
    context: RequestContext,
    transaction: Transaction,
    node: NodeRecord,
    head: RevisionRecord,
    reason: HeadReason,
  ): Promise<NodeChange | null> {
    if (node.headId === head.id) return null;
    await recordHead(transaction, context, { nodeId: node.id, revisionId: head.id, reason });
    const before = node.headId === null ? undefined : this.mirror.tree.revision(node.headId);
    return {
      action: `head.${reason}`,
      data: { headId: head.id },
      before: { head: before?.number ?? null },
      after: { head: head.number },
    };
  }
}
