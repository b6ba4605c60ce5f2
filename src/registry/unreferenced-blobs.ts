/**
 * Removes blobs that no revision has. Nothing else deletes blobs.
 *
 * Several instances share one database and one store, and another one may be about to record the same bytes. So it is
 * asked and deleted under the writers' lock, and whoever records a revision looks under the same lock whether its blobs
 * are still there.
 */
import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import type { Transaction } from '../database/database.js';
import { BlobStore } from '../storage/blob-store.js';
import { RegistryWrites } from './registry-writes.js';

/** Deleted in one turn of the lock. */
const TURN = 32;
const DELETED_AT_ONCE = 8;

@Injectable()
export class UnreferencedBlobs {
  constructor(
    private readonly store: BlobStore,
    private readonly writes: RegistryWrites,
  ) {}

  /** Of these, deletes those that no revision has, and returns them. */
  async delete(blobs: Iterable<string>): Promise<string[]> {
    const all = [...new Set(blobs)];
    const deleted: string[] = [];
    for (let i = 0; i < all.length; i += TURN) {
      const some = all.slice(i, i + TURN);
      deleted.push(...(await this.writes.exclusively((transaction) => this.#delete(transaction, some))));
    }
    return deleted;
  }

  async #delete(transaction: Transaction, blobs: string[]): Promise<string[]> {
    const revisions = await transaction.revision.findMany({
      where: { purgedAt: null, OR: [{ configBlob: { in: blobs } }, { weightsBlob: { in: blobs } }] },
      select: { configBlob: true, weightsBlob: true },
    });
    const referenced = new Set(revisions.flatMap(({ configBlob, weightsBlob }) => [configBlob, weightsBlob]));
    const unreferenced = blobs.filter((sha256) => !referenced.has(sha256));
    const limit = pLimit(DELETED_AT_ONCE);
    await Promise.all(unreferenced.map((sha256) => limit(() => this.store.delete(sha256))));
    return unreferenced;
  }
}
