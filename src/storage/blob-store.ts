/**
 * Files by the SHA-256 of their bytes.
 *
 * A blob is written to a temporary file, forced to the disk and renamed to its place: under its name it is whole or not
 * there. What a crash leaves behind is a temporary file, and those are swept at start.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, renameSync } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BlobTooLargeError } from '../errors.js';
import { syncFolder } from './durable.js';

export interface StoredBlob {
  /** Hex. */
  sha256: string;
  bytes: number;
}

const SHA256 = /^[0-9a-f]{64}$/;

export class BlobStore {
  readonly #folder: string;
  readonly #temporary: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#temporary = join(folder, 'tmp');
  }

  /** Opens the store, for this process alone, and sweeps what a crash left. */
  static async open(folder: string): Promise<BlobStore> {
    const store = new BlobStore(folder);
    await mkdir(store.#temporary, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#temporary)) await rm(join(store.#temporary, name), { force: true });
    return store;
  }

  /**
   * Stores what the stream gives. The same bytes twice are one blob. `placed` is called in the moment in which the blob
   * is there, with whether it was there before: of several that come at once, exactly one is new.
   */
  async put(
    stream: AsyncIterable<Uint8Array>,
    maxBytes = Infinity,
    placed?: (sha256: string, existed: boolean) => void,
  ): Promise<StoredBlob> {
    const temporary = join(this.#temporary, randomUUID());
    const hash = createHash('sha256');
    let bytes = 0;
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const chunk of stream) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new BlobTooLargeError(maxBytes);
        hash.update(chunk);
        yield chunk;
      }
    }
    try {
      await pipeline(hashed, createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }));
      const sha256 = hash.digest('hex');
      await this.#place(temporary, this.path(sha256), (existed) => placed?.(sha256, existed));
      return { sha256, bytes };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Where the blob lies, whether or not it does. */
  path(sha256: string): string {
    // A name from outside must never become a path out of the store.
    if (!SHA256.test(sha256)) throw new TypeError(`"${sha256}" is no SHA-256 in hex`);
    return join(this.#folder, sha256.slice(0, 2), sha256);
  }

  async has(sha256: string): Promise<boolean> {
    try {
      await access(this.path(sha256));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Does nothing if it isn't there. */
  async delete(sha256: string): Promise<void> {
    await rm(this.path(sha256), { force: true });
  }

  async #place(temporary: string, place: string, placed: (existed: boolean) => void): Promise<void> {
    const folder = dirname(place);
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncFolder(this.#folder);
    // No pause between these three, in which another blob could come or go.
    const existed = existsSync(place);
    // Over an existing blob this changes nothing: the bytes are the same.
    renameSync(temporary, place);
    placed(existed);
    await syncFolder(folder);
  }
}
