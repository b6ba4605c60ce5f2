/**
 * One service a data folder: neither the embedded database nor the blob store stands two.
 *
 * The lock is a file that names its holder. A holder that is gone loses it. Where the holder can't be looked up from
 * here (another container or machine on a shared folder, or a boot ago), its heartbeat decides: the file's time stamp
 * is renewed while it lives.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataFolderHeldError } from '../errors/start-up.js';
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.js';

interface Holder extends ProcessIdentity {
  /** Tells one taking of the lock from another. */
  token: string;
  /** ISO time of the taking. */
  since: string;
}

const HEARTBEAT_MS = 2_000;
const LONG_TURN_MS = 10_000;
/** Older than this, no heartbeat is to be waited for. */
const LONG_DEAD_MS = 60_000;

export class FolderLock {
  readonly #file: string;
  readonly #token: string;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(file: string, token: string) {
    this.#file = file;
    this.#token = token;
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      // Should the folder be gone, the blob store and the database say so better.
      utimes(file, now, now).catch(() => undefined);
    }, HEARTBEAT_MS).unref();
  }

  /** Makes the folder, readable by its owner alone, and takes it; throws DataFolderHeldError. */
  static async take(folder: string): Promise<FolderLock> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, 'lock');
    const mine: Holder = { ...ownIdentity(), token: randomUUID(), since: new Date().toISOString() };
    const draft = `${file}.${mine.token}`;
    await writeFile(draft, JSON.stringify(mine, null, 2) + '\n', { mode: 0o600 });
    try {
      for (;;) {
        if (await linked(draft, file)) return new FolderLock(file, mine.token);
        const holder = await readHolder(file);
        if (holder === 'gone') continue;
        if (holder !== 'broken' && (await isAlive(holder, file))) throw new DataFolderHeldError(folder, holder);
        await clear(file, holder);
      }
    } finally {
      await rm(draft, { force: true });
    }
  }

  /** At once and without waiting, so that it can be the last thing that a process does. */
  release(): void {
    clearInterval(this.#heartbeat);
    // Whoever took the folder over from us keeps it.
    if (existsSync(this.#file) && parse(readFileSync(this.#file, 'utf8'))?.token === this.#token)
      unlinkSync(this.#file);
  }
}

/** Linking fails if the name is taken, and the file that appears is complete. */
async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<Holder | 'gone' | 'broken'> {
  try {
    return parse(await readFile(file, 'utf8')) ?? 'broken';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
}

function parse(text: string): Holder | null {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    return typeof value?.pid === 'number' && typeof value.token === 'string' ? (value as Holder) : null;
  } catch {
    return null;
  }
}

async function isAlive(holder: Holder, file: string): Promise<boolean> {
  const running = isRunning(holder);
  if (running !== null) return running;
  const before = await beatAt(file);
  if (before === null || Date.now() - before > LONG_DEAD_MS) return false;
  await sleep(2.5 * HEARTBEAT_MS);
  const after = await beatAt(file);
  return after !== null && after !== before;
}

async function beatAt(file: string): Promise<number | null> {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return null;
  }
}

/**
 * Takes a dead holder's file away. Of several who found it dead, the slower must not take away the new lock that the
 * fastest has made meanwhile: so one at a time, and only if it is still the same file.
 */
async function clear(file: string, dead: Holder | 'broken'): Promise<void> {
  const turn = `${file}.clearing`;
  try {
    await mkdir(turn);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await waitForTurn(turn);
    return;
  }
  try {
    const now = await readHolder(file);
    const same = now === dead || (typeof now === 'object' && typeof dead === 'object' && now.token === dead.token);
    if (same) await rm(file, { force: true });
  } finally {
    await rmdir(turn);
  }
}

/** A turn takes milliseconds. One that lasts was left by a process that died in it. */
async function waitForTurn(turn: string): Promise<void> {
  const begunAt = await beatAt(turn);
  if (begunAt !== null && Date.now() - begunAt > LONG_TURN_MS) await rm(turn, { recursive: true, force: true });
  else await sleep(20);
}
