import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobDamagedError } from '../../../src/errors/storage.js';
import { BlobCache } from '../../../src/storage/blob-cache.js';
import type { StoredBlob } from '../../../src/storage/blob-store.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier cache '));
});
afterEach(() => rm(folder, { recursive: true }));

const nameOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Fetches the text as if it were a blob, and counts. */
class Source {
  fetched = 0;

  of(text: string): (file: string) => Promise<StoredBlob> {
    return async (file) => {
      this.fetched++;
      await writeFile(file, text);
      return { sha256: nameOf(text), bytes: text.length };
    };
  }
}

async function cached(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name !== 'tmp').sort();
}

describe('BlobCache', () => {
  it('lets the least recently used go, down to its budget', async () => {
    const cache = await BlobCache.open(folder, { budgetBytes: 20, holdMs: 0 });
    const source = new Source();
    const use = (text: string): Promise<string> => cache.file(nameOf(text), source.of(text));
    await use('aaaaaaaaaa');
    await use('bbbbbbbbbb');
    await use('aaaaaaaaaa');
    expect(source.fetched).toBe(2);
    await use('cccccccccc');
    expect(await cached()).toEqual(['aaaaaaaaaa', 'cccccccccc'].map(nameOf).sort());
    expect(cache.bytes).toBe(20);
    expect(await readFile(await use('bbbbbbbbbb'), 'utf8')).toBe('bbbbbbbbbb');
    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
  });

  it('keeps what was just handed out, over its budget too, and what is open stays readable', async () => {
    const cache = await BlobCache.open(folder, { budgetBytes: 1, holdMs: 60_000 });
    const source = new Source();
    const first = await cache.file(nameOf('first'), source.of('first'));
    await cache.file(nameOf('second'), source.of('second'));
    const handle = await open(first);
    expect(await cached()).toHaveLength(2);
    await cache.drop(nameOf('first'));
    expect(await handle.readFile('utf8')).toBe('first');
    await handle.close();
    expect(cache.bytes).toBe(6);
  });

  it('takes over what an earlier process left, and fetches again what somebody took away', async () => {
    const source = new Source();
    const before = await BlobCache.open(folder, { budgetBytes: 100 });
    await before.file(nameOf('x'), source.of('x'));
    const cache = await BlobCache.open(folder, { budgetBytes: 100 });
    const file = await cache.file(nameOf('x'), source.of('x'));
    expect(source.fetched).toBe(1);
    await rm(file);
    expect(await readFile(await cache.file(nameOf('x'), source.of('x')), 'utf8')).toBe('x');
    expect(source.fetched).toBe(2);
    expect(cache.bytes).toBe(1);
  });

  it('fetches once for many, and tries anew after a failure', async () => {
    const cache = await BlobCache.open(folder, { budgetBytes: 100 });
    const source = new Source();
    const failing = (): Promise<StoredBlob> => Promise.reject(new Error('line broke'));
    await expect(cache.file(nameOf('x'), failing)).rejects.toThrow('line broke');
    const files = await Promise.all([1, 2, 3].map(() => cache.file(nameOf('x'), source.of('x'))));
    expect(new Set(files).size).toBe(1);
    expect(source.fetched).toBe(1);
  });

  it('takes no other bytes than the name says', async () => {
    const cache = await BlobCache.open(folder, { budgetBytes: 100 });
    await expect(cache.file(nameOf('right'), new Source().of('wrong'))).rejects.toBeInstanceOf(BlobDamagedError);
    expect(await cached()).toEqual([]);
    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
  });
});
