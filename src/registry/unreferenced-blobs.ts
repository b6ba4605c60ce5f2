/**
 * Removes blobs that no revision has. Nothing else deletes blobs.
 *
 * Several instances share one database and one store, and another one may be about to record the same bytes. So it is
 * asked and deleted under the writers' lock, and whoever records a revision looks under the same lock whether its blobs
 * are still there. The lock ends with its transaction, so every deletion has to end before that.
 */
import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import type { Transaction } from '../database/database.js';
import { BlobStore } from '../storage/blob-store.js';
import { RegistryWrites } from './registry-writes.js';

/** Deleted in one turn of the lock. */
const TURN = 32;
const DELETED_AT_ONCE = 8;
/**
 * None begins later in its transaction, the wait for the lock counted: the client gives a transaction up after 30 s, and a
 * store gives a deletion up after 10.
 */
const BEGIN_WITHIN_MS = 15_000;

@Injectable()
export class UnreferencedBlobs {
  constructor(
    private readonly store: BlobStore,
    private readonly writes: RegistryWrites,
  ) {}

  /** Of these, deletes those that no revision has, and returns them; what there is no time for stays. */
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
    const lastBegin = Date.now() + BEGIN_WITHIN_MS - (await ageMs(transaction));
    const revisions = await transaction.revision.findMany({
      where: { purgedAt: null, OR: [{ configBlob: { in: blobs } }, { weightsBlob: { in: blobs } }] },
      select: { configBlob: true, weightsBlob: true },
    });
    const referenced = new Set(revisions.flatMap(({ configBlob, weightsBlob }) => [configBlob, weightsBlob]));
    const unreferenced = blobs.filter((sha256) => !referenced.has(sha256));
    const limit = pLimit(DELETED_AT_ONCE);
    const deleted: string[] = [];
    const outcomes = await Promise.allSettled(
      unreferenced.map((sha256) =>
        limit(async () => {
          if (Date.now() > lastBegin) return;
          await this.store.delete(sha256);
          deleted.push(sha256);
        }),
      ),
    );
    // Only now: none may go on without the lock.
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return deleted;
  }
}

/** How long ago the transaction began, by the clock of the database alone. */
async function ageMs(transaction: Transaction): Promise<number> {
  const [row] = await transaction.$queryRaw<{ ms: number }[]>`
    SELECT (extract(epoch FROM clock_timestamp() - now()) * 1000)::float8 AS ms`;
  return row?.ms ?? 0;
}
