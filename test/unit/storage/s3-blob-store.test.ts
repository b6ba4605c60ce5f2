/** What only a store at the other end of a line can meet: outages, refusals, damage, parts. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  BlobDamagedError,
  BlobMissingError,
  StorageOpenError,
  StorageRefusedError,
  StorageUnavailableError,
} from '../../../src/errors/storage.js';
import type { S3Location } from '../../../src/storage/blob-location.js';
import { blobKey } from '../../../src/storage/blob-store.js';
import { S3BlobStore } from '../../../src/storage/s3-blob-store.js';
import { FaultyLine } from './support/faulty-line.js';
import { S3_ENDPOINT, TestBucket } from './support/test-bucket.js';

jest.setTimeout(120_000);

const MB = 1024 * 1024;

(S3_ENDPOINT === undefined ? describe.skip : describe)('S3BlobStore', () => {
  let folder: string;
  let bucket: TestBucket;
  let line: FaultyLine;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier s3 '));
    bucket = await TestBucket.make();
    line = await FaultyLine.to(bucket.endpoint);
  });
  afterEach(async () => {
    await line.cut().catch(() => undefined);
    await bucket.remove();
    await rm(folder, { recursive: true });
  });

  /** One instance, with a cache of its own. */
  function open(name: string, change: Partial<S3Location> = {}): Promise<S3BlobStore> {
    return S3BlobStore.open(bucket.location(join(folder, name), change));
  }

  const put = (store: S3BlobStore, bytes: Uint8Array): Promise<{ sha256: string }> => store.put(Readable.from([bytes]));
  const keyOf = (sha256: string): string => `some/where/${blobKey(sha256)}`;

  it('uploads what is large in parts, and what is small in one', async () => {
    const store = await open('one');
    const large = randomBytes(20 * MB);
    const { sha256 } = await put(store, large);
    expect(await bucket.etag(keyOf(sha256))).toMatch(/-3"$/);
    expect(Buffer.from(await bucket.get(keyOf(sha256))).equals(large)).toBe(true);
    expect((await readFile(await (await open('two')).local(sha256))).equals(large)).toBe(true);
    const small = await put(store, Buffer.from('small'));
    expect(await bucket.etag(keyOf(small.sha256))).not.toContain('-');
  });

  it('downloads a blob once for all who want it, and again when a line breaks', async () => {
    const bytes = randomBytes(2 * MB);
    const { sha256 } = await put(await open('one'), bytes);
    const store = await open('two', { endpoint: line.url });
    line.breakAfterBytes = MB;
    const files = await Promise.all([1, 2, 3].map(() => store.local(sha256)));
    expect(new Set(files).size).toBe(1);
    expect((await readFile(files[0]!)).equals(bytes)).toBe(true);
    expect(line.breakAfterBytes).toBe(Infinity);
  });

  it('gives out what is cached while the server is away, and says of the rest that it is', async () => {
    const store = await open('one', { endpoint: line.url });
    const cached = await put(store, Buffer.from('cached'));
    const other = await put(await open('two'), Buffer.from('not cached'));
    const { url } = line;
    await line.cut();
    expect(await readFile(await store.local(cached.sha256), 'utf8')).toBe('cached');
    await expect(store.local(other.sha256)).rejects.toBeInstanceOf(StorageUnavailableError);
    await expect(put(store, Buffer.from('new'))).rejects.toMatchObject({ code: 'storage_unavailable', status: 503 });
    await expect(store.has(other.sha256)).rejects.toBeInstanceOf(StorageUnavailableError);
    await expect(open('three', { endpoint: url })).rejects.toBeInstanceOf(StorageOpenError);
  });

  it('leaves nothing under the key when an upload breaks off', async () => {
    const store = await open('one', { endpoint: line.url });
    const large = randomBytes(30 * MB);
    const putting = put(store, large);
    putting.catch(() => undefined);
    while ((await bucket.uploads()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await line.cut();
    await expect(putting).rejects.toBeInstanceOf(StorageUnavailableError);
    expect(await bucket.keys()).toEqual([]);
    // Pushed again, when the server is back.
    const { sha256 } = await put(await open('two'), large);
    expect(sha256).toBe(createHash('sha256').update(large).digest('hex'));
  });

  it('never gives out other bytes than the digest says', async () => {
    const { sha256 } = await put(await open('one'), Buffer.from('right'));
    await bucket.put(keyOf(sha256), 'wrong');
    const store = await open('two');
    await expect(store.local(sha256)).rejects.toBeInstanceOf(BlobDamagedError);
    await bucket.delete(keyOf(sha256));
    await expect(store.local(sha256)).rejects.toBeInstanceOf(BlobMissingError);
  });

  it('uploads again what is there with another size', async () => {
    const store = await open('one');
    const { sha256 } = await put(store, Buffer.from('whole'));
    await bucket.put(keyOf(sha256), 'who');
    await put(store, Buffer.from('whole'));
    expect(await (await open('two')).local(sha256)).toContain(sha256);
  });

  it('lists more than fits one answer, and nothing that is no blob', async () => {
    const store = await open('one');
    await bucket.put('elsewhere/x', 'x');
    await bucket.put('some/where/readme', 'x');
    const names = new Set<string>();
    // The server gives out 1000 at a time.
    const texts = Array.from({ length: 1_050 }, (_, i) => String(i));
    for (let i = 0; i < texts.length; i += 50) {
      await Promise.all(
        texts.slice(i, i + 50).map(async (text) => {
          const sha256 = createHash('sha256').update(text).digest('hex');
          names.add(sha256);
          await bucket.put(keyOf(sha256), text);
        }),
      );
    }
    const found = new Set<string>();
    for await (const { sha256 } of store.list()) found.add(sha256);
    expect(found).toEqual(names);
    for (const name of names) await bucket.delete(keyOf(name));
  });

  it('says what to mend, and no secret', async () => {
    await expect(open('one', { bucket: 'no-such-bucket-here' })).rejects.toThrow('Make the bucket');
    const store = await open('one');
    const { sha256 } = await put(store, Buffer.from('x'));
    const before = process.env['AWS_SECRET_ACCESS_KEY'];
    process.env['AWS_SECRET_ACCESS_KEY'] = 'not-the-secret';
    try {
      const failed = await open('two').catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(StorageOpenError);
      expect((failed as StorageOpenError).cause).toBeInstanceOf(StorageRefusedError);
      expect(String(failed)).toContain('Give the service valid credentials');
      expect(JSON.stringify(failed, Object.getOwnPropertyNames(Error.prototype))).not.toContain('not-the-secret');
    } finally {
      process.env['AWS_SECRET_ACCESS_KEY'] = before;
    }
    expect(await store.has(sha256)).toBe(true);
  });
});
