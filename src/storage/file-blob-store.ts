/**
 * Blobs in a folder, which several instances may share.
 *
 * A blob is written to a temporary file, forced to the disk and renamed to its place. Over an existing one that changes
 * nothing but its time: the bytes are the same.
 */
import { existsSync, renameSync } from 'node:fs';
import { access, constants, mkdir, opendir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isMissingFile } from '../errors/files.js';
import { StorageUnavailableError } from '../errors/storage.js';
import { blobKey, blobOfKey, BlobStore, type ListedBlob, type Placed, type StoredBlob } from './blob-store.js';
import { syncFolder } from './durable.js';
import { writeHashed } from './hashed-file.js';
import { sweepTemporary, temporaryName, type SweepOptions } from './temporary.js';

const TEMPORARY = 'tmp';

/** What a shared folder says when the machine that has it is away, or it isn't mounted. */
const AWAY = new Set(['EIO', 'ESTALE', 'ENOTCONN', 'ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENOENT']);

export class FileBlobStore extends BlobStore {
  readonly description: string;
  readonly #folder: string;

  private constructor(folder: string) {
    super();
    this.description = folder;
    this.#folder = folder;
  }

  /** Opens the store and sweeps what a crash left. */
  static async open(folder: string): Promise<FileBlobStore> {
    const temporary = join(folder, TEMPORARY);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    await sweepTemporary(temporary);
    return new FileBlobStore(folder);
  }

  async put(stream: AsyncIterable<Uint8Array>, maxBytes?: number, placed?: Placed): Promise<StoredBlob> {
    const temporary = join(this.#folder, TEMPORARY, temporaryName());
    try {
      const stored = await writeHashed(stream, temporary, maxBytes);
      await this.#place(temporary, stored.sha256, placed);
      return stored;
    } catch (error) {
      await rm(temporary, { force: true });
      throw this.#explain(error);
    }
  }

  async has(sha256: string): Promise<boolean> {
    try {
      await access(this.#path(sha256));
      return true;
    } catch (error) {
      if (!isMissingFile(error)) throw this.#explain(error);
      // Gone with its whole store is another thing than gone.
      await this.#assertThere();
      return false;
    }
  }

  /** It is there and may be written to, which a disk that was mounted anew after an error may not. */
  check(): Promise<void> {
    return this.#assertThere(constants.W_OK | constants.X_OK);
  }

  async delete(sha256: string): Promise<void> {
    await rm(this.#path(sha256), { force: true });
  }

  async *list(): AsyncGenerator<ListedBlob> {
    for await (const folder of await opendir(this.#folder)) {
      if (!folder.isDirectory() || folder.name === TEMPORARY) continue;
      for await (const { name } of await opendir(join(this.#folder, folder.name))) {
        const sha256 = blobOfKey(`${folder.name}/${name}`);
        const blob = sha256 === null ? null : await this.#stat(sha256);
        if (blob) yield blob;
      }
    }
  }

  sweep(options?: SweepOptions): Promise<number> {
    return sweepTemporary(join(this.#folder, TEMPORARY), options);
  }

  local(sha256: string): Promise<string> {
    return Promise.resolve(this.#path(sha256));
  }

  #path(sha256: string): string {
    return join(this.#folder, blobKey(sha256));
  }

  async #stat(sha256: string): Promise<ListedBlob | null> {
    try {
      const { size, mtime } = await stat(this.#path(sha256));
      return { sha256, bytes: size, modifiedAt: mtime };
    } catch (error) {
      if (isMissingFile(error)) return null;
      throw error;
    }
  }

  async #place(temporary: string, sha256: string, placed?: Placed): Promise<void> {
    const path = this.#path(sha256);
    const folder = dirname(path);
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncFolder(this.#folder);
    // No pause between these three, in which another blob could come or go.
    const existed = existsSync(path);
    renameSync(temporary, path);
    placed?.(sha256, existed);
    await syncFolder(folder);
  }

  async #assertThere(mode = constants.F_OK): Promise<void> {
    try {
      await access(join(this.#folder, TEMPORARY), mode);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Errors of the stream that is stored are its owner's. */
  #explain(error: unknown): unknown {
    const { code = '', path = '' } = error as NodeJS.ErrnoException;
    return AWAY.has(code) && path.startsWith(this.#folder)
      ? new StorageUnavailableError(this.description, error)
      : error;
  }
}
