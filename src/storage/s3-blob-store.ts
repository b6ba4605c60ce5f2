/**
 * Blobs in a bucket of S3, or of a server that speaks its protocol.
 *
 * What is put is written to a local file first: its digest, which is its key, is only known at its end, and an upload can
 * then be tried again. A large one goes up in parts, which become an object all together or not at all; no more than two
 * parts are in memory. What is read comes through a folder on this machine, and is compared with its digest on the way.
 */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BlobMissingError, explainWriteError, StorageOpenError, StorageUnavailableError } from '../errors/storage.js';
import { BlobCache } from './blob-cache.js';
import type { S3Location } from './blob-location.js';
import { blobKey, blobOfKey, BlobStore, type ListedBlob, type Placed, type StoredBlob } from './blob-store.js';
import { writeHashed } from './hashed-file.js';
import { s3Client } from './s3-client.js';
import { addressOf, explainS3Error, isNotFound } from './s3-errors.js';
import { abortOldUploads } from './s3-uploads.js';
import { OneAtATime } from './one-at-a-time.js';
import type { SweepOptions } from './temporary.js';

const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;
const MAX_PARTS = 10_000;
/** Of an object that is copied in one call. */
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** Of a download that breaks off midway. */
const DOWNLOAD_ATTEMPTS = 3;

/** Of small requests, all attempts together: the registry's lock may be held meanwhile. */
const SOON_MS = 10_000;

/** Strangers may ask for the health of the service, and each request to the store costs something. */
const CHECK_EVERY_MS = 5_000;

function soon(): { abortSignal: AbortSignal } {
  return { abortSignal: AbortSignal.timeout(SOON_MS) };
}

export class S3BlobStore extends BlobStore {
  readonly description: string;
  readonly #location: S3Location;
  readonly #client: S3Client;
  readonly #cache: BlobCache;
  readonly #changes = new OneAtATime();
  #checked: { atMs: number; answer: Promise<void> } | null = null;

  private constructor(location: S3Location, client: S3Client, cache: BlobCache) {
    super();
    this.description = addressOf(location);
    this.#location = location;
    this.#client = client;
    this.#cache = cache;
  }

  /** Opens the store, whose bucket must be there, and ends uploads that a crash left. */
  static async open(location: S3Location): Promise<S3BlobStore> {
    const cache = await BlobCache.open(location.cacheFolder, { budgetBytes: location.cacheBytes });
    const store = new S3BlobStore(location, s3Client(location), cache);
    try {
      await store.#ask();
    } catch (error) {
      store.#client.destroy();
      throw new StorageOpenError(error);
    }
    await abortOldUploads(store.#client, location);
    return store;
  }

  async put(stream: AsyncIterable<Uint8Array>, maxBytes?: number, placed?: Placed): Promise<StoredBlob> {
    const file = this.#cache.temporary();
    try {
      const blob = await writeHashed(stream, file, maxBytes);
      await this.#changes.run(blob.sha256, async () => {
        const existed = (await this.#isWhole(blob)) && (await this.#touch(blob));
        if (!existed) await this.#upload(blob, file);
        placed?.(blob.sha256, existed);
        await this.#cache.adopt(blob, file);
      });
      return blob;
    } finally {
      await rm(file, { force: true });
    }
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#size(sha256)) !== null;
  }

  /** The bucket answers. The newest answer stands for a while. */
  check(): Promise<void> {
    const now = performance.now();
    if (this.#checked === null || now - this.#checked.atMs > CHECK_EVERY_MS) {
      this.#checked = { atMs: now, answer: this.#ask() };
    }
    return this.#checked.answer;
  }

  async delete(sha256: string): Promise<void> {
    await this.#changes.run(sha256, async () => {
      await this.#send((client) => client.send(new DeleteObjectCommand(this.#object(sha256)), soon()));
      await this.#cache.drop(sha256);
    });
  }

  async *list(): AsyncGenerator<ListedBlob> {
    let next: string | undefined;
    do {
      const command = new ListObjectsV2Command({ ...this.#listed, ContinuationToken: next });
      const page = await this.#send((client) => client.send(command));
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const sha256 = blobOfKey(Key.slice(this.#location.prefix.length));
        if (sha256 !== null && LastModified) yield { sha256, bytes: Size, modifiedAt: LastModified };
      }
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }

  sweep(options?: SweepOptions): Promise<number> {
    return abortOldUploads(this.#client, this.#location, options);
  }

  local(sha256: string): Promise<string> {
    return this.#cache.file(sha256, (file) => this.#download(sha256, file));
  }

  async #ask(): Promise<void> {
    await this.#send((client) => client.send(new ListObjectsV2Command({ ...this.#listed, MaxKeys: 1 }), soon()));
  }

  get #listed(): { Bucket: string; Prefix: string } {
    return { Bucket: this.#location.bucket, Prefix: this.#location.prefix };
  }

  #object(sha256: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + blobKey(sha256) };
  }

  async #size(sha256: string): Promise<number | null> {
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#object(sha256)), soon());
      return head.ContentLength ?? 0;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw explainS3Error(error, this.#location);
    }
  }

  async #isWhole({ sha256, bytes }: StoredBlob): Promise<boolean> {
    return (await this.#size(sha256)) === bytes;
  }

  async #upload(blob: StoredBlob, file: string): Promise<void> {
    await this.#send((client) =>
      new Upload({
        client,
        params: { ...this.#object(blob.sha256), Body: createReadStream(file), ContentType: 'application/octet-stream' },
        partSize: Math.max(PART_BYTES, Math.ceil(blob.bytes / MAX_PARTS)),
        queueSize: PARTS_AT_ONCE,
      }).done(),
    );
    if (await this.#isWhole(blob)) return;
    throw new StorageUnavailableError(this.description, new Error(`${blob.sha256} isn't there whole after its upload`));
  }

  /** Copied onto itself, which takes new metadata, an object counts as modified now. False if it has gone meanwhile. */
  async #touch({ sha256, bytes }: StoredBlob): Promise<boolean> {
    if (bytes > MAX_COPY_BYTES) return false;
    const { Bucket, Key } = this.#object(sha256);
    const command = new CopyObjectCommand({
      Bucket,
      Key,
      CopySource: `${Bucket}/${encodeURI(Key)}`,
      MetadataDirective: 'REPLACE',
      ContentType: 'application/octet-stream',
    });
    try {
      await this.#client.send(command);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw explainS3Error(error, this.#location);
    }
  }

  async #download(sha256: string, file: string): Promise<StoredBlob> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { Body } = await this.#client.send(new GetObjectCommand(this.#object(sha256)));
        if (!(Body instanceof Readable)) throw new TypeError('the SDK gives no stream of Node');
        return await writeHashed(Body, file);
      } catch (error) {
        if (isNotFound(error)) throw new BlobMissingError(sha256, this.description);
        const explained = explainS3Error(error, this.#location);
        if (!(explained instanceof StorageUnavailableError) || attempt === DOWNLOAD_ATTEMPTS) {
          throw explainWriteError('the local copy of a blob', explained);
        }
        await rm(file, { force: true });
      }
    }
  }

  async #send<T>(call: (client: S3Client) => Promise<T>): Promise<T> {
    try {
      return await call(this.#client);
    } catch (error) {
      throw explainS3Error(error, this.#location);
    }
  }
}
