/**
 * Notes which files an imported checkpoint consists of, and finds out later whether they are still the same.
 *
 * A session maps the weights, so a file that is rewritten in place would silently serve another model under the old
 * digest. Size and time of change are compared; where only the time differs, as after a restored backup, the bytes decide.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMissingFile } from '../../errors/files.js';
import { ModelFilesChangedError } from '../../errors/models.js';

export const STAMPS_FILE = 'files.json';

export interface HashedFile {
  /** In the model's folder. */
  name: string;
  bytes: number;
  /** Hex. */
  sha256: string;
}

const stampsSchema = z.object({
  files: z.array(z.object({ name: z.string(), bytes: z.number(), sha256: z.string(), changedNs: z.string() })),
});

/** Of files as they lie in the folder now. */
export async function writeFileStamps(folder: string, files: readonly HashedFile[]): Promise<void> {
  const stamped = await Promise.all(
    files.map(async (file) => ({ ...file, changedNs: String((await statOf(folder, file.name))?.mtimeNs ?? '') })),
  );
  await writeFile(join(folder, STAMPS_FILE), `${JSON.stringify({ files: stamped }, null, 2)}\n`);
}

/** Throws if a file is gone or another one. A folder without stamps was never imported, and passes. */
export async function checkFileStamps(folder: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(join(folder, STAMPS_FILE), 'utf8');
  } catch (error) {
    if (isMissingFile(error)) return;
    throw error;
  }
  for (const { name, bytes, sha256, changedNs } of stampsSchema.parse(JSON.parse(text)).files) {
    const found = await statOf(folder, name);
    if (found === null) throw new ModelFilesChangedError(folder, name, 'is gone');
    if (Number(found.size) !== bytes) throw new ModelFilesChangedError(folder, name, 'has another size');
    if (String(found.mtimeNs) === changedNs) continue;
    if ((await sha256Of(join(folder, name))) !== sha256) {
      throw new ModelFilesChangedError(folder, name, 'was rewritten');
    }
  }
}

/** Streamed: the file may be larger than memory. `onBytes` is told of each piece that was read. */
export async function sha256Of(file: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    onBytes?.(chunk.length);
  }
  return hash.digest('hex');
}

async function statOf(folder: string, name: string) {
  try {
    return await stat(join(folder, name), { bigint: true });
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
}
