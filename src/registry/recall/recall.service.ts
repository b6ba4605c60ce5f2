/**
 * Takes a bad revision out of service everywhere: the head and the aliases leave it for its fallback, and children that
 * were trained on it are served on the fallback too, from the next request on. Requests that run keep what they resolved.
 */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import type { Transaction } from '../../database/database.js';
import { InvalidRequestError } from '../../errors/requests.js';
import type { NodeRecord, RevisionRecord } from '../../tree/records.js';
import type { RegistryChange } from '../changed-rows.js';
import type { RevisionReference } from '../dto/revision.dto.js';
import { recordHead } from '../head-moves.js';
import { HeadsService } from '../heads.service.js';
import { NodeChanges } from '../node-changes.js';
import { findNode } from '../node-lookup.js';
import { toNodeRecord, toRevisionRecord } from '../records-of-rows.js';
import { RegistryWrites, unchanged } from '../registry-writes.js';
import { revisionOfNode, servableRevision } from '../revision-of-node.js';
import { TreeMirror } from '../tree-mirror.js';
import { moveAliases } from './moved-aliases.js';
import { pinnedChildren, type PinnedChildren } from './pinned-children.js';
import { auditRecall, viewRecall } from './recall-outcome.js';
import type { Recall, RecallDto, Unrecall } from './recall.dto.js';

@Injectable()
export class RecallService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly changes: NodeChanges,
    private readonly heads: HeadsService,
  ) {}

  /** Does nothing where the revision is recalled already, and says so. */
  recall(context: RequestContext, idOrPath: string, recall: Recall, expectedVersion?: number): Promise<RecallDto> {
    return this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const node = findNode(tree, idOrPath, context.caller);
      await this.changes.expectVersion(transaction, node, expectedVersion);
      const revision = revisionOfNode(tree, node.id, recall.revision);
      const pinned = await pinnedChildren(transaction, node.id, revision.id);
      if (revision.recalled) return unchanged(await this.#asItIs(transaction, node, revision, pinned));

      const fallback = await this.#fallback(transaction, node, revision, recall.fallback);
      const recalled = await transaction.revision.update({
        where: { id: revision.id },
        data: {
          recalledAt: new Date(),
          recallReason: recall.reason,
          fallbackId: fallback?.id ?? null,
          version: { increment: 1 },
        },
      });
      const wasHead = node.headId === revision.id;
      if (wasHead) {
        await recordHead(transaction, context, { nodeId: node.id, revisionId: fallback?.id ?? null, reason: 'recall' });
      }
      const served = await transaction.node.update({
        where: { id: node.id },
        data: { version: { increment: 1 }, ...(wasHead ? { headId: fallback?.id ?? null } : {}) },
      });
      const { moved, all } = await moveAliases(transaction, tree, node.id, revision, fallback);
      const outcome = { revision: recalled, node: served, headBefore: node.headId, aliases: moved, pinned };
      const change: RegistryChange = {
        nodes: [toNodeRecord(served)],
        revisions: [toRevisionRecord(recalled)],
        ...(moved.length > 0 ? { aliases: [{ nodeId: node.id, aliases: all }] } : {}),
      };
      return { result: viewRecall(tree, outcome, false), change, audit: auditRecall(tree, outcome) };
    });
  }

  /** Puts a revision back into service: pins and `@` lead to it again. Head and aliases stay where they are. */
  unrecall(
    context: RequestContext,
    idOrPath: string,
    unrecall: Unrecall,
    expectedVersion?: number,
  ): Promise<RecallDto> {
    return this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const node = findNode(tree, idOrPath, context.caller);
      await this.changes.expectVersion(transaction, node, expectedVersion);
      const revision = revisionOfNode(tree, node.id, unrecall.revision);
      const pinned = await pinnedChildren(transaction, node.id, revision.id);
      const before = await this.#asItIs(transaction, node, revision, pinned);
      if (!revision.recalled) return unchanged(before);

      const row = await transaction.revision.update({
        where: { id: revision.id },
        data: { recalledAt: null, recallReason: null, fallbackId: null, version: { increment: 1 } },
      });
      const served = await transaction.node.update({
        where: { id: node.id },
        data: { version: { increment: 1 } },
      });
      const outcome = { revision: row, node: served, headBefore: node.headId, aliases: [], pinned };
      const { number } = revision;
      return {
        result: viewRecall(tree, outcome, false),
        change: { nodes: [toNodeRecord(served)], revisions: [toRevisionRecord(row)] },
        audit: [
          {
            action: 'revision.unrecall',
            nodeId: node.id,
            path: tree.pathOf(node.id),
            before: {
              revision: number,
              recalled: true,
              reason: before.recalled?.reason ?? null,
              fallback: before.fallback,
            },
            after: { revision: number, recalled: false, affected: pinned.total },
          },
        ],
      };
    });
  }

  async #fallback(
    transaction: Transaction,
    node: NodeRecord,
    revision: RevisionRecord,
    given: RevisionReference | null | undefined,
  ): Promise<RevisionRecord | null> {
    const { tree } = this.mirror;
    if (given === null) return null;
    if (given !== undefined) {
      const fallback = servableRevision(tree, node.id, given);
      if (fallback.id !== revision.id) return fallback;
      throw new InvalidRequestError(
        `Revision ${revision.number} can't stand in for itself. Name another, or null.`,
        'fallback',
      );
    }
    if (node.headId === revision.id) return this.heads.previousHead(transaction, node.id);
    return node.headId === null ? null : (tree.revision(node.headId) ?? null);
  }

  async #asItIs(
    transaction: Transaction,
    node: NodeRecord,
    { id }: RevisionRecord,
    pinned: PinnedChildren,
  ): Promise<RecallDto> {
    const revision = await transaction.revision.findUniqueOrThrow({ where: { id } });
    const outcome = { revision, node, headBefore: node.headId, aliases: [], pinned };
    return viewRecall(this.mirror.tree, outcome, true);
  }
}
