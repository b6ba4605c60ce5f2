/**
 * Accepts an adapter on another revision of its parent than it was trained on, once somebody has found that it holds there.
 * Revisions don't change, so that makes a new one: the same bytes and digest, another `trainedOn`. It becomes the head
 * where the old one was.
 *
 * What is checked here is that the adapter's files are still what was pushed, and fit the base: keys, shapes, finite
 * values. Whether the sum of both says what it should, no registry can tell: score both paths first.
 */
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { RequestContext } from '../../access/request-context.js';
import type { Transaction } from '../../database/database.js';
import { AdapterUnreadableError } from '../../errors/adapters.js';
import { ModelNotImportedError } from '../../errors/models.js';
import { NodeNotFoundError, RootNodeError } from '../../errors/nodes.js';
import { RevisionRecalledError } from '../../errors/revisions.js';
import { BlobStore } from '../../storage/blob-store.js';
import type { NodeRecord, RevisionRecord } from '../../tree/records.js';
import { AdapterReader } from '../adapter-reader.js';
import { recordHead } from '../head-moves.js';
import { NodeChanges } from '../node-changes.js';
import { findNode, refuseArchived } from '../node-lookup.js';
import { trainedOnOf } from '../push-target.js';
import { toNodeRecord, toRevisionRecord } from '../records-of-rows.js';
import { RegistryWrites, unchanged, type Change } from '../registry-writes.js';
import { servableRevision } from '../revision-of-node.js';
import { revisionQuery, viewRevision } from '../revision-view.js';
import { TreeMirror } from '../tree-mirror.js';
import type { Repin, RepinnedDto } from './repin.dto.js';

/** What a repin is about, as the tree has it. */
interface Target {
  node: NodeRecord;
  path: string;
  revision: RevisionRecord;
  /** Null where the parent has no head, or is the base itself. */
  trainedOn: RevisionRecord | null;
  /** A revision of the node that has the same adapter on the same revision of the parent; `revision` itself, perhaps. */
  same: RevisionRecord | undefined;
}

@Injectable()
export class RepinService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly changes: NodeChanges,
    private readonly blobs: BlobStore,
    private readonly reader: AdapterReader,
  ) {}

  async repin(context: RequestContext, idOrPath: string, repin: Repin, expectedVersion?: number): Promise<RepinnedDto> {
    for (;;) {
      const checked = await this.#check(this.#target(context, idOrPath, repin));
      const repinned = await this.writes.commit<RepinnedDto | null>(context, async (transaction) => {
        const target = this.#target(context, idOrPath, repin);
        await this.changes.expectVersion(transaction, target.node, expectedVersion);
        // A head moved in between, and what is asked for now isn't what was checked.
        if (!target.same && target.revision.id !== checked) return unchanged(null);
        return this.#accept(context, transaction, target, repin.message);
      });
      if (repinned) return repinned;
    }
  }

  #target({ caller }: RequestContext, idOrPath: string, { revision: reference, trainedOn: given }: Repin): Target {
    const { tree } = this.mirror;
    const node = findNode(tree, idOrPath, caller);
    const path = tree.pathOf(node.id);
    if (node.parentId === null) throw new RootNodeError(path, 'stands on no other');
    refuseArchived(tree, node.id);
    const parent = tree.node(node.parentId);
    if (!parent) throw new NodeNotFoundError(node.parentId);
    const revision = servableRevision(tree, node.id, reference ?? node.headId ?? 1);
    const { revision: trainedOn } = trainedOnOf(tree, parent, given);
    if (trainedOn?.recalled) throw new RevisionRecalledError(tree.pathOf(parent.id), trainedOn.number);
    const stands = (one: RevisionRecord) =>
      one.digest === revision.digest && one.trainedOnId === (trainedOn?.id ?? null);
    const same = stands(revision) ? revision : tree.revisions(node.id).findLast(stands);
    return { node, path, revision, trainedOn, same };
  }

  /** Returns the id of the revision; null where there is nothing to make of it. */
  async #check({ node, path, revision, same }: Target): Promise<string | null> {
    if (same) return null;
    const model = this.mirror.model(node.modelId);
    if (!model) throw new ModelNotImportedError(path, []);
    const [configFile, weightsFile] = await Promise.all([
      this.blobs.local(revision.configBlob),
      this.blobs.local(revision.weightsBlob),
    ]);
    const facts = await this.reader.read({
      files: { configFile, weightsFile },
      base: { config: model.config, origins: [...model.origins], folder: model.folder },
    });
    if (facts.digest !== revision.digest) {
      throw new AdapterUnreadableError(`its files are not those that were pushed as revision ${revision.number}`, null);
    }
    return revision.id;
  }

  async #accept(
    context: RequestContext,
    transaction: Transaction,
    target: Target,
    message: string | undefined,
  ): Promise<Change<RepinnedDto>> {
    const { node, path, revision, trainedOn, same } = target;
    if (same?.recalled) throw new RevisionRecalledError(path, same.number);
    const row = same
      ? await transaction.revision.findUniqueOrThrow({ where: { id: same.id }, ...revisionQuery })
      : await this.#copy(transaction, target, message);
    const promoted = node.headId === revision.id && row.id !== revision.id;
    const outcome = !same ? 'created' : same.id === revision.id ? 'unchanged' : 'existing';
    const result = (headId: string | null): RepinnedDto => ({
      ...viewRevision(this.mirror.tree, row, context.caller, { path, headId }),
      repinOf: revision.number,
      promoted,
      outcome,
    });
    // A detached node that is said to hold where it lies now is no longer detached, even without a new revision.
    if (same && !promoted && !node.detached) return unchanged(result(node.headId));

    if (promoted) await recordHead(transaction, context, { nodeId: node.id, revisionId: row.id, reason: 'repin' });
    const served = await transaction.node.update({
      where: { id: node.id },
      data: { detached: false, version: { increment: 1 }, ...(promoted ? { headId: row.id } : {}) },
    });
    const { tree } = this.mirror;
    const before = revision.trainedOnId === null ? undefined : tree.revision(revision.trainedOnId);
    return {
      result: result(served.headId),
      change: { nodes: [toNodeRecord(served)], revisions: same ? [] : [toRevisionRecord(row)] },
      audit: [
        {
          action: 'revision.repin',
          nodeId: node.id,
          path,
          before: { revision: revision.number, trainedOn: before?.number ?? null },
          after: {
            revision: row.number,
            repinOf: revision.number,
            trainedOn: trainedOn?.number ?? null,
            head: promoted,
            message: message ?? null,
          },
        },
        ...(promoted
          ? [
              {
                action: 'head.repin',
                nodeId: node.id,
                path,
                before: { head: revision.number },
                after: { head: row.number },
              },
            ]
          : []),
      ],
    };
  }

  /** All but what its author measured: that was on the parent's revision from before. */
  async #copy(transaction: Transaction, { node, revision, trainedOn }: Target, message: string | undefined) {
    const of = await transaction.revision.findUniqueOrThrow({ where: { id: revision.id } });
    const on = trainedOn === null ? 'no revision of the parent' : `revision ${trainedOn.number} of the parent`;
    return transaction.revision.create({
      data: {
        id: ulid(),
        nodeId: node.id,
        number: (this.mirror.tree.revisions(node.id).at(-1)?.number ?? 0) + 1,
        trainedOnId: trainedOn?.id ?? null,
        message: message ?? `Revision ${of.number}, accepted on ${on}.`,
        digest: of.digest,
        rank: of.rank,
        bytes: of.bytes,
        configBlob: of.configBlob,
        weightsBlob: of.weightsBlob,
        targets: of.targets as object,
        warnings: of.warnings,
        author: of.author,
        card: of.card,
        hasCard: of.hasCard,
        ...(of.source === null ? {} : { source: of.source }),
        tags: of.tags,
      },
      ...revisionQuery,
    });
  }
}
