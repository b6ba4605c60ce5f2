/**
 * Blobs of pushes that aren't recorded yet. A push that fails takes its blobs back, unless another push, or a revision,
 * has the same bytes: what was in the store before is never touched, and what two pushes hold goes with the last of them.
 * What can't be taken back now is left to garbage collection.
 */
import { Inject, Injectable } from '@nestjs/common';
import { explainWriteError } from '../errors/storage.js';
import { BlobStore } from '../storage/blob-store.js';
import { UnreferencedBlobs } from './unreferenced-blobs.js';

interface Held {
  holders: number;
  /** Nobody has recorded it, and it wasn't there before. */
  orphan: boolean;
}

/** One push's hold on its blobs. */
export class Staging {
  readonly #blobs: StagedBlobs;
  readonly #held = new Set<string>();
  #kept = false;

  constructor(blobs: StagedBlobs) {
    this.#blobs = blobs;
  }

  /** Returns the SHA-256. */
  async put(stream: AsyncIterable<Uint8Array>, what: string, maxBytes: number): Promise<string> {
    return this.#blobs.put(stream, what, maxBytes, this.#held);
  }

  /** They are recorded, or may be. */
  keep(): void {
    this.#kept = true;
  }

  /** They aren't after all. */
  discard(): void {
    this.#kept = false;
  }

  async end(): Promise<void> {
    await this.#blobs.release(this.#held, this.#kept);
  }
}

@Injectable()
export class StagedBlobs {
  readonly #store: BlobStore;
  readonly #unreferenced: Pick<UnreferencedBlobs, 'delete'>;
  readonly #held = new Map<string, Held>();
  /** Deleted only while nothing is being put, because that could be the same bytes again. */
  readonly #doomed = new Set<string>();
  #putting = 0;
  #deleting: Promise<unknown> = Promise.resolve();

  constructor(store: BlobStore, @Inject(UnreferencedBlobs) unreferenced: Pick<UnreferencedBlobs, 'delete'>) {
    this.#store = store;
    this.#unreferenced = unreferenced;
  }

  /** Whether a push that goes on has it. */
  isHeld(sha256: string): boolean {
    return this.#held.has(sha256);
  }

  begin(): Staging {
    return new Staging(this);
  }

  /** `mine`: what the caller holds; the blob is added to it. */
  async put(stream: AsyncIterable<Uint8Array>, what: string, maxBytes: number, mine: Set<string>): Promise<string> {
    this.#putting++;
    try {
      await this.#deleting;
      const stored = await this.#store.put(stream, maxBytes, (sha256, existed) => this.#hold(sha256, existed, mine));
      return stored.sha256;
    } catch (error) {
      throw explainWriteError(what, error);
    } finally {
      this.#putting--;
    }
  }

  async release(blobs: ReadonlySet<string>, kept: boolean): Promise<void> {
    for (const sha256 of blobs) {
      const held = this.#held.get(sha256);
      if (!held) continue;
      held.holders--;
      if (kept) held.orphan = false;
      if (held.holders > 0) continue;
      this.#held.delete(sha256);
      if (held.orphan) this.#doomed.add(sha256);
    }
    if (this.#putting > 0 || this.#doomed.size === 0) return;
    const doomed = [...this.#doomed];
    this.#doomed.clear();
    // A push that failed has failed for its own reason.
    this.#deleting = this.#deleting.then(() => this.#unreferenced.delete(doomed)).catch(() => undefined);
    await this.#deleting;
  }

  #hold(sha256: string, existed: boolean, mine: Set<string>): void {
    const spared = this.#doomed.delete(sha256);
    const held = this.#held.get(sha256) ?? { holders: 0, orphan: !existed || spared };
    if (!mine.has(sha256)) held.holders++;
    mine.add(sha256);
    this.#held.set(sha256, held);
  }
}
