/**
 * Names for half-made files and folders that tell whose they are. Several processes, also on other machines, may make
 * theirs in one shared folder: what a crash left is swept at a start, what another process is making is not.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../errors/files.js';
import { isTagRunning, ownTag } from './process-identity.js';

const SUFFIX = '.tmp';
/** Nothing that is being made stays untouched for so long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

export function temporaryName(): string {
  return `${ownTag()}.${randomUUID()}${SUFFIX}`;
}

export interface SweepOptions {
  /** Leaves everything where it is. */
  dryRun?: boolean;
}

/** Removes what was left in the folder by processes that are gone, as far as can be told. Returns how many files. */
export async function sweepTemporary(folder: string, { dryRun = false }: SweepOptions = {}): Promise<number> {
  let swept = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith(SUFFIX)) continue;
    const path = join(folder, name);
    if (!(await isAbandoned(path, name))) continue;
    swept++;
    if (!dryRun) await rm(path, { recursive: true, force: true });
  }
  return swept;
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const running = isTagRunning(name.slice(0, name.indexOf('.')));
  if (running !== null) return !running;
  try {
    return Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS;
  } catch (error) {
    // Its maker has finished.
    if (isMissingFile(error)) return false;
    throw error;
  }
}
