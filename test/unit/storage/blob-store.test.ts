import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BlobTooLargeError } from '../../../src/errors.js';
import { BlobStore } from '../../../src/storage/blob-store.js';

let folder: string;
let store: BlobStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier blobs '));
  store = await BlobStore.open(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function leftovers(): Promise<string[]> {
  return readdir(join(folder, 'tmp'));
}

describe('BlobStore', () => {
  it('keeps any bytes, in any pieces, under their SHA-256', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (pieces) => {
        const whole = Buffer.concat(pieces);
        const stored = await store.put(Readable.from(pieces));
        expect(stored).toEqual({ sha256: sha256(whole), bytes: whole.length });
        expect(await readFile(store.path(stored.sha256))).toEqual(whole);
      }),
      { numRuns: 30 },
    );
    expect(await leftovers()).toEqual([]);
  });

  it('keeps the same bytes once, even when they come twice at the same time', async () => {
    const bytes = Buffer.from('the same');
    const [one, two] = await Promise.all([store.put(Readable.from([bytes])), store.put(Readable.from([bytes]))]);
    expect(one).toEqual(two);
    expect(await readdir(join(folder, one.sha256.slice(0, 2)))).toEqual([one.sha256]);
    expect((await stat(store.path(one.sha256))).mode & 0o077).toBe(0);
  });

  it('knows what it has and forgets what is deleted', async () => {
    const { sha256: name } = await store.put(Readable.from([Buffer.from('x')]));
    expect(await store.has(name)).toBe(true);
    await store.delete(name);
    await store.delete(name);
    expect(await store.has(name)).toBe(false);
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
    expect(await readdir(folder)).toEqual(['tmp']);
  });

  it('sweeps what a crash left when it is opened', async () => {
    await writeFile(join(folder, 'tmp', 'half-a-blob'), 'x');
    await BlobStore.open(folder);
    expect(await leftovers()).toEqual([]);
  });

  it('makes no path of what is no digest', () => {
    for (const name of ['../../etc/passwd', 'ABC', '', `${'a'.repeat(63)}/`]) expect(() => store.path(name)).toThrow();
  });
});
