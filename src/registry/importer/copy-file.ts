/** Takes a copy of a file, in the cheapest way that keeps it apart from the original, and its SHA-256. */
import { createHash } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { copyFile, link, open, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { sha256Of } from '../../formats/checkpoint/file-stamps.js';

export interface CopiedFile {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/**
 * A reflink where the file system can, else the bytes are read once, hashed and written. With `hardLink` the file is
 * shared instead, and copied only where the two folders lie on different file systems. `onBytes` is told of each piece.
 */
export async function copyHashed(
  source: string,
  target: string,
  { hardLink, onBytes }: { hardLink: boolean; onBytes: (bytes: number) => void },
): Promise<CopiedFile> {
  const shared = (hardLink && (await hardLinked(source, target))) || (await reflinked(source, target));
  const sha256 = shared ? await sha256Of(target, onBytes) : await copied(source, target, onBytes);
  await syncFile(target);
  return { bytes: (await stat(target)).size, sha256 };
}

async function copied(source: string, target: string, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  async function* hashed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      onBytes(chunk.length);
      yield chunk;
    }
  }
  await pipeline(createReadStream(source, { highWaterMark: 1 << 20 }), hashed, createWriteStream(target));
  return hash.digest('hex');
}

async function reflinked(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    // Which of several codes says "not here" depends on the file system; the copy that follows tells what is wrong.
    await rm(target, { force: true });
    if (codeOf(error) === 'ENOSPC') throw error;
    return false;
  }
}

async function hardLinked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) return false;
    throw error;
  }
}

/** Forces a file's bytes to the disk. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Of an error of the system, whichever realm made it. */
function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
