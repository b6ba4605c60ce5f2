/** What both kinds of store promise, tried on both. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobTooLargeError } from '../../../src/errors/storage.js';
import type { BlobStore, ListedBlob } from '../../../src/storage/blob-store.js';
import { FileBlobStore } from '../../../src/storage/file-blob-store.js';
import { S3BlobStore } from '../../../src/storage/s3-blob-store.js';
import { S3_ENDPOINT, TestBucket } from './support/test-bucket.js';

jest.setTimeout(60_000);

interface Setting {
  /** Another process's view of the same blobs. */
  open: () => Promise<BlobStore>;
  /** Where half-made files lie. */
  temporary: string;
  remove: () => Promise<void>;
}

async function folderSetting(folder: string): Promise<Setting> {
  return Promise.resolve({
    open: () => FileBlobStore.open(folder),
    temporary: join(folder, 'tmp'),
    remove: () => Promise.resolve(),
  });
}

async function bucketSetting(folder: string): Promise<Setting> {
  const bucket = await TestBucket.make();
  return {
    open: () => S3BlobStore.open(bucket.location(join(folder, randomUUID()))),
    temporary: folder,
    remove: () => bucket.remove(),
  };
}

const kinds = [
  { kind: 'in a folder', make: folderSetting, skip: false },
  { kind: 'on S3', make: bucketSetting, skip: S3_ENDPOINT === undefined },
];

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const streamOf = (text: string): Readable => Readable.from([Buffer.from(text)]);

async function listed(store: BlobStore): Promise<ListedBlob[]> {
  const blobs: ListedBlob[] = [];
  for await (const blob of store.list()) blobs.push(blob);
  return blobs.sort((a, b) => a.sha256.localeCompare(b.sha256));
}

for (const { kind, make, skip } of kinds) {
  (skip ? describe.skip : describe)(`blobs ${kind}`, () => {
    let folder: string;
    let setting: Setting;
    let store: BlobStore;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'espalier blobs '));
      setting = await make(folder);
      store = await setting.open();
    });
    afterEach(async () => {
      await setting.remove();
      await rm(folder, { recursive: true });
    });

    /** Files that aren't whole, of all who opened the store. */
    async function leftovers(): Promise<string[]> {
      const files = await readdir(setting.temporary, { recursive: true, withFileTypes: true });
      return files.filter((file) => file.isFile() && file.name.endsWith('.tmp')).map(({ name }) => name);
    }

    it('keeps any bytes, in any pieces, under their SHA-256', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (pieces) => {
          const whole = Buffer.concat(pieces);
          const stored = await store.put(Readable.from(pieces));
          expect(stored).toEqual({ sha256: sha256(whole), bytes: whole.length });
          expect(await readFile(await store.local(stored.sha256))).toEqual(whole);
        }),
        { numRuns: 15 },
      );
      expect(await leftovers()).toEqual([]);
    });

    it('gives another instance what was put', async () => {
      const { sha256: name } = await store.put(streamOf('shared'));
      const other = await setting.open();
      expect(await other.has(name)).toBe(true);
      expect(await readFile(await other.local(name), 'utf8')).toBe('shared');
    });

    it('keeps the same bytes once, and says of which it is new', async () => {
      const told: boolean[] = [];
      const put = (): Promise<unknown> => store.put(streamOf('the same'), 100, (_, existed) => told.push(existed));
      expect(await put()).toEqual(await put());
      expect(told).toEqual([false, true]);
      expect(await listed(store)).toHaveLength(1);
      const names = await Promise.all(
        [1, 2, 3].map(() => store.put(streamOf('at once'), 100, (_, existed) => told.push(existed))),
      );
      expect(new Set(names.map((one) => one.sha256)).size).toBe(1);
      expect(told.slice(2).sort()).toEqual([false, true, true]);
      expect(await leftovers()).toEqual([]);
    });

    it('knows what it has and forgets what is deleted', async () => {
      const { sha256: name } = await store.put(streamOf('x'));
      expect(await store.has(name)).toBe(true);
      await store.delete(name);
      await store.delete(name);
      expect(await store.has(name)).toBe(false);
      expect(await listed(store)).toEqual([]);
    });

    it('lists all, with sizes and the time of the last put', async () => {
      const begun = Date.now();
      const texts = ['', 'a', 'bb', 'ccc'];
      const names = new Map<string, number>();
      for (const text of texts) names.set((await store.put(streamOf(text))).sha256, text.length);
      const first = await listed(store);
      expect(new Map(first.map((one) => [one.sha256, one.bytes]))).toEqual(names);
      // A server counts whole seconds.
      for (const one of first) expect(one.modifiedAt.getTime()).toBeGreaterThan(begun - 1_000);
      await sleep(1_100);
      const { sha256: again } = await store.put(streamOf('bb'));
      const before = new Map(first.map((one) => [one.sha256, one.modifiedAt.getTime()]));
      for (const { sha256: name, modifiedAt } of await listed(store)) {
        if (name === again) expect(modifiedAt.getTime()).toBeGreaterThan(before.get(name)!);
        else expect(modifiedAt.getTime()).toBe(before.get(name));
      }
    });

    it('keeps nothing of a stream that fails or is too long', async () => {
      const failing = Readable.from(
        (function* () {
          yield Buffer.from('half');
          throw new Error('connection lost');
        })(),
      );
      await expect(store.put(failing)).rejects.toThrow('connection lost');
      await expect(store.put(Readable.from([Buffer.alloc(6), Buffer.alloc(6)]), 10)).rejects.toBeInstanceOf(
        BlobTooLargeError,
      );
      expect(await leftovers()).toEqual([]);
      expect(await listed(store)).toEqual([]);
    });

    it('takes no name that is no digest', async () => {
      for (const name of ['../../etc/passwd', 'ABC', '', `${'a'.repeat(63)}/`]) {
        await expect(async () => store.local(name)).rejects.toThrow();
        await expect(async () => store.delete(name)).rejects.toThrow();
      }
    });
  });
}
