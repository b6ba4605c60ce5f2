/** The adapters of a node: pushed, checked, numbered, recorded, listed. */
import { Inject, Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { RequestContext } from '../access/request-context.js';
import { CONFIG, type Config } from '../config.js';
import { Database, type Transaction } from '../database/database.js';
import { DigestMismatchError } from '../errors/adapters.js';
import { DatabaseUnavailableError } from '../errors/database.js';
import { ModelNotImportedError } from '../errors/models.js';
import { BlobVanishedError } from '../errors/storage.js';
import { BlobStore } from '../storage/blob-store.js';
import type { NodeRecord } from '../tree/records.js';
import { AdapterReader } from './adapter-reader.js';
import type { AdapterFacts } from './adapter-reader.worker.js';
import { AdapterStaging, type AdapterBlobs, type PushRequest, type Receive } from './adapter-staging.js';
import { cursorKey, toPage, type Page, type PageQuery } from './dto/page.js';
import type { PushedRevisionDto, PushFields, RevisionDto, RevisionWithCardDto } from './dto/revision.dto.js';
import { recordHead } from './head-moves.js';
import { findNode } from './node-lookup.js';
import { pushTarget, trainedOnOf, type PushTarget } from './push-target.js';
import { toNodeRecord, toRevisionRecord } from './records-of-rows.js';
import { RegistryWrites, unchanged, type Change } from './registry-writes.js';
import { revisionOfId } from './revision-lookup.js';
import { revisionQuery, viewRevision } from './revision-view.js';
import { StagedBlobs } from './staged-blobs.js';
import { TreeMirror } from './tree-mirror.js';

/** Of a revision. */
const NUMBER = /^\d{1,9}$/;

@Injectable()
export class RevisionsService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly blobs: BlobStore,
    private readonly staged: StagedBlobs,
    private readonly reader: AdapterReader,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async list({ caller }: RequestContext, idOrPath: string, { limit, cursor }: PageQuery): Promise<Page<RevisionDto>> {
    const { tree } = this.mirror;
    const { id } = findNode(tree, idOrPath, caller);
    const after = cursorKey(cursor, NUMBER);
    const rows = await this.database.client.revision.findMany({
      where: { nodeId: id, ...(after === null ? {} : { number: { gt: Number(after) } }) },
      orderBy: { number: 'asc' },
      take: limit + 1,
      ...revisionQuery,
    });
    return toPage(
      rows,
      limit,
      ({ number }) => String(number),
      (row) => viewRevision(tree, row, caller),
    );
  }

  /** With its card. */
  async get({ caller }: RequestContext, id: string): Promise<RevisionWithCardDto> {
    const { tree } = this.mirror;
    const revision = revisionOfId(tree, id, caller);
    const { include } = revisionQuery;
    const row = await this.database.client.revision.findUniqueOrThrow({ where: { id: revision.id }, include });
    return { ...viewRevision(tree, row, caller), card: row.card };
  }

  /**
   * `receive` puts the two files into the store and says what is pushed. If anything fails after that, what it put is
   * taken back.
   */
  async push(context: RequestContext, receive: Receive): Promise<PushedRevisionDto> {
    const staging = this.staged.begin();
    try {
      const request = await receive(new AdapterStaging(staging, this.config.maxUploadBytes), (fields) =>
        this.#target(context, fields),
      );
      const facts = await this.#check(context, request.fields, request.files);
      // Recorded, or perhaps recorded: only an outage leaves that open, and then the bytes must stay.
      staging.keep();
      try {
        const pushed = await this.writes.commit(context, (transaction) =>
          this.#record(context, transaction, request, facts),
        );
        if (pushed.unchanged) staging.discard();
        return pushed;
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError)) staging.discard();
        throw error;
      }
    } finally {
      await staging.end();
    }
  }

  /** Refused before the adapter is read; what counts is what holds when it is recorded. */
  #target(context: RequestContext, fields: PushFields): PushTarget {
    const { tree } = this.mirror;
    const target = pushTarget(tree, fields.path, context.caller);
    trainedOnOf(tree, target.parent, fields.trainedOn);
    return target;
  }

  async #check(context: RequestContext, fields: PushFields, files: AdapterBlobs): Promise<AdapterFacts> {
    expectDigest('sha256', fields.sha256, files.weights);
    const target = this.#target(context, fields);
    const model = this.mirror.model(target.parent.modelId);
    if (!model) throw new ModelNotImportedError(fields.path, []);
    try {
      const [configFile, weightsFile] = await Promise.all([
        this.blobs.local(files.config),
        this.blobs.local(files.weights),
      ]);
      const facts = await this.reader.read({
        files: { configFile, weightsFile },
        base: { config: model.config, origins: [...model.origins], folder: model.folder },
      });
      expectDigest('digest', fields.digest, facts.digest);
      return facts;
    } catch (error) {
      // Where they are gone, nothing is wrong with the adapter.
      await this.#assertStored(files);
      throw error;
    }
  }

  async #record(
    context: RequestContext,
    transaction: Transaction,
    { fields, files, source }: PushRequest,
    facts: AdapterFacts,
  ): Promise<Change<PushedRevisionDto>> {
    const { tree } = this.mirror;
    const target = pushTarget(tree, fields.path, context.caller);
    const trainedOn = trainedOnOf(tree, target.parent, fields.trainedOn);
    const before = target.node ? tree.revisions(target.node.id) : [];
    const same = before.find(
      (one) => one.digest === facts.digest && one.trainedOnId === (trainedOn.revision?.id ?? null),
    );
    if (same && target.node) return this.#unchanged(context, transaction, same.id);
    await this.#assertStored(files);

    const node = target.node ?? (await this.#createNode(transaction, target));
    const number = (before.at(-1)?.number ?? 0) + 1;
    const row = await transaction.revision.create({
      data: {
        id: ulid(),
        nodeId: node.id,
        number,
        digest: facts.digest,
        trainedOnId: trainedOn.revision?.id ?? null,
        rank: facts.rank,
        bytes: BigInt(facts.bytes),
        configBlob: files.config,
        weightsBlob: files.weights,
        targets: facts.targets,
        message: fields.message ?? null,
        author: fields.author ?? context.caller.keyName,
        card: fields.card ?? null,
        hasCard: fields.card !== undefined,
        tags: fields.tags ?? [],
        metrics: { create: Object.entries(fields.metrics ?? {}).map(([name, value]) => ({ name, value })) },
        ...(source === null ? {} : { source: { ...source } }),
        warnings: [...facts.warnings, ...trainedOn.warnings],
      },
      ...revisionQuery,
    });
    // Where a recall left the node without a head, what is served next is for those to say who may promote.
    const isFirst = before.length === 0;
    if (isFirst) await recordHead(transaction, context, { nodeId: node.id, revisionId: row.id, reason: 'first' });
    const served = await transaction.node.update({
      where: { id: node.id },
      data: { detached: false, version: { increment: 1 }, ...(isFirst ? { headId: row.id } : {}) },
    });
    const entry = { action: 'revision.push', nodeId: node.id, path: target.path, before: null };
    return {
      result: {
        ...viewRevision(tree, row, context.caller, { path: target.path, headId: served.headId }),
        unchanged: false,
      },
      change: { nodes: [toNodeRecord(served)], revisions: [toRevisionRecord(row)] },
      audit: [
        {
          ...entry,
          after: {
            number,
            digest: facts.digest,
            trainedOn: trainedOn.revision?.number ?? null,
            source: source && { ...source },
          },
        },
      ],
    };
  }

  /**
   * Another instance may have taken back a push of the same bytes. Within the transaction that records them they stay:
   * deletions wait for it, and find its revision afterwards.
   */
  async #assertStored(files: AdapterBlobs): Promise<void> {
    const stored = await Promise.all([this.blobs.has(files.config), this.blobs.has(files.weights)]);
    if (stored.includes(false)) throw new BlobVanishedError('the adapter');
  }

  async #createNode(transaction: Transaction, { parent, name }: PushTarget): Promise<NodeRecord> {
    const data = { id: ulid(), modelId: parent.modelId, parentId: parent.id, name };
    return toNodeRecord(await transaction.node.create({ data }));
  }

  async #unchanged(
    { caller }: RequestContext,
    transaction: Transaction,
    id: string,
  ): Promise<Change<PushedRevisionDto>> {
    const row = await transaction.revision.findUniqueOrThrow({ where: { id }, ...revisionQuery });
    return unchanged({ ...viewRevision(this.mirror.tree, row, caller), unchanged: true });
  }
}

function expectDigest(field: 'digest' | 'sha256', expected: string | undefined, found: string): void {
  if (expected !== undefined && expected !== found) throw new DigestMismatchError(field, expected, found);
}
