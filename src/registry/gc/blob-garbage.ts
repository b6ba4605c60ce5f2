/** Bytes that no revision has: of pushes that failed or died, and of revisions that were purged. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { BlobStore, type ListedBlob } from '../../storage/blob-store.js';
import { StagedBlobs } from '../staged-blobs.js';
import { UnreferencedBlobs } from '../unreferenced-blobs.js';
import type { GcReport } from './gc.dto.js';
import type { Collection } from './gc.service.js';

/** Looked up in one query. */
const BATCH = 500;

@Injectable()
export class BlobGarbage {
  constructor(
    private readonly database: Database,
    private readonly store: BlobStore,
    private readonly staged: StagedBlobs,
    private readonly unreferenced: UnreferencedBlobs,
  ) {}

  async remove(collection: Collection): Promise<GcReport['blobs']> {
    const report = { removed: 0, removedBytes: 0, kept: 0, keptBytes: 0 };
    for await (const batch of inBatches(this.store.list())) {
      const removed = await this.#removeOf(batch, collection);
      for (const { sha256, bytes } of batch) {
        const isRemoved = removed.has(sha256);
        report[isRemoved ? 'removed' : 'kept']++;
        report[isRemoved ? 'removedBytes' : 'keptBytes'] += bytes;
      }
    }
    return report;
  }

  /** Which of them were removed, or would be. */
  async #removeOf(batch: readonly ListedBlob[], { before, dryRun }: Collection): Promise<Set<string>> {
    const old = batch.filter(({ modifiedAt }) => modifiedAt <= before).map(({ sha256 }) => sha256);
    const kept = await this.#referenced(old, before);
    const garbage = old.filter((sha256) => !kept.has(sha256) && !this.staged.isHeld(sha256));
    // Asked again under the lock: what was recorded meanwhile stays.
    return new Set(dryRun ? garbage : await this.unreferenced.delete(garbage));
  }

  /** By revisions that aren't purged, and won't be by this collection. */
  async #referenced(blobs: string[], before: Date): Promise<Set<string>> {
    if (blobs.length === 0) return new Set();
    const rows = await this.database.client.revision.findMany({
      where: {
        purgedAt: null,
        node: { OR: [{ deletedAt: null }, { deletedAt: { gt: before } }] },
        OR: [{ configBlob: { in: blobs } }, { weightsBlob: { in: blobs } }],
      },
      select: { configBlob: true, weightsBlob: true },
    });
    return new Set(rows.flatMap(({ configBlob, weightsBlob }) => [configBlob, weightsBlob]));
  }
}

async function* inBatches(blobs: AsyncIterable<ListedBlob>): AsyncGenerator<ListedBlob[]> {
  let batch: ListedBlob[] = [];
  for await (const blob of blobs) {
    batch.push(blob);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
