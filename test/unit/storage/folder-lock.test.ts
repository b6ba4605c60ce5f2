import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolderHeldError } from '../../../src/errors/start-up.js';
import { FolderLock } from '../../../src/storage/folder-lock.js';
import { isRunning, ownIdentity } from '../../../src/storage/process-identity.js';

jest.setTimeout(60_000);

let folder: string;
let file: string;
const held: FolderLock[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier lock '));
  file = join(folder, 'lock');
});
afterEach(async () => {
  for (const lock of held.splice(0)) lock.release();
  await rm(folder, { recursive: true });
});

async function take(): Promise<FolderLock> {
  const lock = await FolderLock.take(folder);
  held.push(lock);
  return lock;
}

/** A lock file as another holder would have left it. */
async function leave(holder: Record<string, unknown>): Promise<void> {
  await writeFile(file, JSON.stringify({ ...ownIdentity(), token: 'other', since: '2026-01-01T00:00:00Z', ...holder }));
}

async function holderPid(): Promise<unknown> {
  return (JSON.parse(await readFile(file, 'utf8')) as { pid: unknown }).pid;
}

/** A pid that no process has any more. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

describe('FolderLock', () => {
  it('is held by one at a time, and says by whom', async () => {
    const lock = await take();
    const second = FolderLock.take(folder);
    await expect(second).rejects.toBeInstanceOf(DataFolderHeldError);
    await expect(second).rejects.toThrow(`"${folder}" is in use by process ${process.pid}`);
    lock.release();
    await take();
  });

  it('goes to exactly one of many who come at once, whether it is free or its holder is dead', async () => {
    for (const prepare of [() => Promise.resolve(), async () => leave({ pid: await deadPid() })]) {
      await rm(file, { force: true });
      await prepare();
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => FolderLock.take(folder)));
      const locks = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      for (const lock of locks) lock.release();
      expect(locks).toHaveLength(1);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('is taken over from a process that is gone', async () => {
    await leave({ pid: await deadPid() });
    await take();
    expect(await holderPid()).toBe(process.pid);
  });

  it('is taken over when the pid has come round to another process', async () => {
    // This very process has that pid, but it began at another time.
    await leave({ startedAt: '1' });
    await take();
  });

  it('is taken over although another died while it did the same', async () => {
    await leave({ pid: await deadPid() });
    await mkdir(`${file}.clearing`);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(`${file}.clearing`, longAgo, longAgo);
    await take();
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('is taken over from a file that says nothing', async () => {
    await writeFile(file, '');
    await take();
  });

  it('is taken over from a container or machine whose heartbeat has stopped', async () => {
    await leave({ host: 'elsewhere', scope: 'another' });
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(file, longAgo, longAgo);
    await take();
  });

  it('stays with a container or machine whose heart beats', async () => {
    await leave({ host: 'elsewhere', scope: 'another' });
    const beat = setInterval(() => void utimes(file, new Date(), new Date()), 500);
    try {
      await expect(FolderLock.take(folder)).rejects.toThrow('on elsewhere');
    } finally {
      clearInterval(beat);
    }
  });

  it('is not released by one who has lost it', async () => {
    const lock = await take();
    await leave({});
    lock.release();
    expect(await readdir(folder)).toEqual(['lock']);
  });
});

describe('isRunning', () => {
  it('knows this process, and an ended one', async () => {
    expect(isRunning(ownIdentity())).toBe(true);
    expect(isRunning({ ...ownIdentity(), pid: await deadPid() })).toBe(false);
  });

  it('knows nothing of other machines', () => {
    expect(isRunning({ ...ownIdentity(), host: 'elsewhere' })).toBeNull();
  });
});
