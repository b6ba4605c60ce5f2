/**
 * Collects garbage, while the registry is read and written. Each step takes the writers' lock for a moment at a time; what
 * a push or an import records in between is looked for again under the lock before anything is removed.
 */
import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import { requireWholeRegistry } from '../../access/scope.js';
import type { RequestContext } from '../../access/request-context.js';
import { BlobStore } from '../../storage/blob-store.js';
import { sweepTemporary } from '../../storage/temporary.js';
import { ModelFolders } from '../model-folders.js';
import { RegistryWrites } from '../registry-writes.js';
import { BlobGarbage } from './blob-garbage.js';
import type { CollectGarbage, GcReport } from './gc.dto.js';
import { ModelGarbage } from './model-garbage.js';
import { RevisionGarbage } from './revision-garbage.js';

/** What one collection goes by. */
export interface Collection {
  /** What was deleted or last put after this is kept. */
  before: Date;
  dryRun: boolean;
}

@Injectable()
export class GcService {
  readonly #oneAtATime = pLimit(1);

  constructor(
    private readonly writes: RegistryWrites,
    private readonly revisions: RevisionGarbage,
    private readonly blobs: BlobGarbage,
    private readonly models: ModelGarbage,
    private readonly store: BlobStore,
    private readonly folders: ModelFolders,
  ) {}

  collect(context: RequestContext, request: CollectGarbage): Promise<GcReport> {
    requireWholeRegistry(context);
    return this.#oneAtATime(() => this.#collect(context, request));
  }

  async #collect(context: RequestContext, { dryRun, graceSeconds }: CollectGarbage): Promise<GcReport> {
    const collection = { dryRun, before: new Date(Date.now() - graceSeconds * 1000) };
    const report = {
      dryRun,
      graceSeconds,
      revisions: { purged: await this.revisions.purge(context, collection) },
      blobs: await this.blobs.remove(collection),
      models: await this.models.remove(collection),
      temporary: {
        removed: (await this.store.sweep({ dryRun })) + (await sweepTemporary(this.folders.root, { dryRun })),
      },
    };
    if (!dryRun) await this.#record(context, report);
    return report;
  }

  #record(context: RequestContext, report: GcReport): Promise<void> {
    return this.writes.commit(context, () =>
      Promise.resolve({
        result: undefined,
        change: {},
        audit: [{ action: 'gc.run', nodeId: null, path: null, before: null, after: { ...report } }],
      }),
    );
  }
}
