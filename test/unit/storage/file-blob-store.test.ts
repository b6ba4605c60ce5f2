import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { StorageUnavailableError } from '../../../src/errors/storage.js';
import { FileBlobStore } from '../../../src/storage/file-blob-store.js';
import { temporaryName } from '../../../src/storage/temporary.js';

let folder: string;
let store: FileBlobStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier blobs '));
  store = await FileBlobStore.open(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = (text: string): Promise<{ sha256: string }> => store.put(Readable.from([Buffer.from(text)]));

describe('FileBlobStore', () => {
  it('lets the owner alone read its files', async () => {
    const { sha256 } = await put('private');
    expect((await stat(await store.local(sha256))).mode & 0o077).toBe(0);
  });

  it('sweeps what a crash left, and nothing that may be in the making', async () => {
    const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']).stdout.toString().trim();
    const [place = ''] = temporaryName().split('-');
    const names = {
      mine: temporaryName(),
      crashed: `${place}-${dead}-0123456789abcdef.x.tmp`,
      elsewhere: '0123456789abcdef-1-0123456789abcdef.x.tmp',
      elsewhereLongAgo: '0123456789abcdef-2-0123456789abcdef.x.tmp',
    };
    for (const name of Object.values(names)) await writeFile(join(folder, 'tmp', name), 'half');
    const twoDaysAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
    await utimes(join(folder, 'tmp', names.elsewhereLongAgo), twoDaysAgo, twoDaysAgo);
    await FileBlobStore.open(folder);
    expect((await readdir(join(folder, 'tmp'))).sort()).toEqual([names.mine, names.elsewhere].sort());
  });

  it('takes a folder that is away for an outage, never for missing blobs', async () => {
    const { sha256 } = await put('there');
    await rename(folder, `${folder} away`);
    await mkdir(folder);
    try {
      await expect(store.has(sha256)).rejects.toBeInstanceOf(StorageUnavailableError);
      await expect(put('more')).rejects.toBeInstanceOf(StorageUnavailableError);
    } finally {
      await rm(folder, { recursive: true });
      await rename(`${folder} away`, folder);
    }
    expect(await store.has(sha256)).toBe(true);
  });
});
