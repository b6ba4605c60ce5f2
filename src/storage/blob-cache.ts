/**
 * A folder of this machine with the blobs that were used last, of a store that is elsewhere.
 *
 * The least recently used leave when the budget is spent, but none that was handed out just now: its reader may not have
 * opened it yet, and afterwards a file that is open can be removed.
 */
import { existsSync, renameSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobDamagedError } from '../errors/storage.js';
import type { StoredBlob } from './blob-store.js';
import { sweepTemporary, temporaryName } from './temporary.js';

interface Entry {
  bytes: number;
  usedAtMs: number;
}

export interface BlobCacheOptions {
  budgetBytes: number;
  /** How long a file is safe that was handed out. */
  holdMs?: number;
}

const HOLD_MS = 5 * 60_000;
const TEMPORARY = 'tmp';
const SHA256 = /^[0-9a-f]{64}$/;

export class BlobCache {
  readonly #folder: string;
  readonly #budgetBytes: number;
  readonly #holdMs: number;
  /** In the order of use, least recent first. */
  readonly #entries = new Map<string, Entry>();
  readonly #fetching = new Map<string, Promise<string>>();
  #bytes = 0;

  private constructor(folder: string, { budgetBytes, holdMs = HOLD_MS }: BlobCacheOptions) {
    this.#folder = folder;
    this.#budgetBytes = budgetBytes;
    this.#holdMs = holdMs;
  }

  /** Takes over what is there. The folder is this process's alone. */
  static async open(folder: string, options: BlobCacheOptions): Promise<BlobCache> {
    const cache = new BlobCache(folder, options);
    const temporary = join(folder, TEMPORARY);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    await sweepTemporary(temporary);
    const found: [string, Entry][] = [];
    for (const name of (await readdir(folder)).filter((name) => SHA256.test(name))) {
      const { size, mtimeMs } = await stat(join(folder, name));
      found.push([name, { bytes: size, usedAtMs: mtimeMs }]);
    }
    for (const [name, entry] of found.sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs)) cache.#set(name, entry);
    await cache.#evict();
    return cache;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A name for a file that isn't whole yet, on the same file system. */
  temporary(): string {
    return join(this.#folder, TEMPORARY, temporaryName());
  }

  /** The blob's file. If it isn't here, `fetch` writes it, once for all who want it, and says what it wrote. */
  async file(sha256: string, fetch: (file: string) => Promise<StoredBlob>): Promise<string> {
    const entry = this.#entries.get(sha256);
    // Somebody may have tidied up.
    if (entry && existsSync(this.#path(sha256))) {
      this.#set(sha256, { ...entry, usedAtMs: Date.now() });
      return this.#path(sha256);
    }
    const underWay = this.#fetching.get(sha256);
    if (underWay) return underWay;
    const fetching = this.#fetch(sha256, fetch).finally(() => this.#fetching.delete(sha256));
    this.#fetching.set(sha256, fetching);
    return fetching;
  }

  /** Takes over a file of `temporary`. */
  async adopt({ sha256, bytes }: StoredBlob, temporary: string): Promise<string> {
    await rename(temporary, this.#path(sha256));
    this.#set(sha256, { bytes, usedAtMs: Date.now() });
    await this.#evict();
    return this.#path(sha256);
  }

  async drop(sha256: string): Promise<void> {
    this.#bytes -= this.#entries.get(sha256)?.bytes ?? 0;
    this.#entries.delete(sha256);
    const going = this.temporary();
    // At once: somebody could fetch it again while a large file is being removed.
    if (existsSync(this.#path(sha256))) renameSync(this.#path(sha256), going);
    await rm(going, { force: true });
  }

  async #fetch(sha256: string, fetch: (file: string) => Promise<StoredBlob>): Promise<string> {
    const temporary = this.temporary();
    try {
      const fetched = await fetch(temporary);
      if (fetched.sha256 !== sha256) throw new BlobDamagedError(sha256, fetched);
      return await this.adopt(fetched, temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Files in use that are over the budget stay until their time is up. */
  async #evict(): Promise<void> {
    for (const [sha256, { usedAtMs }] of this.#entries) {
      // The others were used later still.
      if (this.#bytes <= this.#budgetBytes || Date.now() - usedAtMs < this.#holdMs) return;
      await this.drop(sha256);
    }
  }

  #set(sha256: string, entry: Entry): void {
    this.#bytes += entry.bytes - (this.#entries.get(sha256)?.bytes ?? 0);
    this.#entries.delete(sha256);
    this.#entries.set(sha256, entry);
  }

  #path(sha256: string): string {
    return join(this.#folder, sha256);
  }
}
