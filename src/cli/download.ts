/**
 * A file of the service into a folder here. What is there already isn't fetched again, and a download that was cut goes
 * on where it ended: the bytes so far lie in a `.part` file whose name holds the ETag of what they are a part of.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ApiError } from './api-error.js';
import type { Answer, ApiClient } from './api-client.js';
import { counted } from './counted.js';
import { FileInTheWayError, isMissing, WrongBytesError } from './errors.js';
import { withProgress } from './progress.js';
import type { Terminal } from './terminal.js';

export interface DownloadOptions {
  /** Replaces a file with other content. */
  force: boolean;
  /** The ETag is the SHA-256 of the bytes, which are held against it. */
  checked: boolean;
}

export interface Downloaded {
  file: string;
  bytes: number;
  /** It was there already. */
  unchanged: boolean;
}

interface Part {
  file: string;
  etag: string;
  bytes: number;
}

export async function download(
  api: ApiClient,
  terminal: Terminal,
  route: string,
  file: string,
  { force, checked }: DownloadOptions,
): Promise<Downloaded> {
  await mkdir(dirname(file), { recursive: true });
  const present = await sha256(file);
  let part = await partOf(file);
  const ask = (): Promise<Answer> =>
    api.read('GET', route, {
      headers: {
        ...(present === null ? {} : { 'if-none-match': `"${present}"` }),
        ...(part === null ? {} : { range: `bytes=${part.bytes}-`, 'if-range': `"${part.etag}"` }),
      },
    });
  let answer: Answer;
  try {
    answer = await ask();
  } catch (error) {
    // A part that is whole already, or longer than the file, has no rest.
    if (!(error instanceof ApiError) || error.status !== 416 || part === null) throw error;
    await rm(part.file, { force: true });
    part = null;
    answer = await ask();
  }
  const unchanged = answer.status === 304;
  const inTheWay = present !== null && !force;
  if (unchanged || inTheWay) answer.leave();
  if (unchanged) return { file, bytes: (await stat(file)).size, unchanged };
  if (inTheWay) throw new FileInTheWayError(file);

  const etag = answer.etag?.replaceAll('"', '') ?? 'unknown';
  const resumed = answer.status === 206 && part !== null ? part : null;
  if (part !== null && resumed === null) await rm(part.file, { force: true });
  const partial = resumed?.file ?? join(dirname(file), `.${basename(file)}.${etag}.part`);
  const before = resumed?.bytes ?? 0;
  const total = answer.bytes === null ? null : before + answer.bytes;
  await withProgress(terminal, basename(file), total, (update) =>
    pipeline(
      counted(answer.body, (bytes) => update(before + bytes)),
      createWriteStream(partial, { flags: resumed ? 'a' : 'w' }),
    ),
  );
  if (checked && (await sha256(partial)) !== etag) {
    await rm(partial, { force: true });
    throw new WrongBytesError(file);
  }
  await rename(partial, file);
  return { file, bytes: (await stat(file)).size, unchanged: false };
}

/** Null where there is no such file. */
async function sha256(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  return hash.digest('hex');
}

async function partOf(file: string): Promise<Part | null> {
  const start = `.${basename(file)}.`;
  const names = await readdir(dirname(file));
  const name = names.find((each) => each.startsWith(start) && each.endsWith('.part'));
  if (name === undefined) return null;
  const path = join(dirname(file), name);
  return { file: path, etag: name.slice(start.length, -'.part'.length), bytes: (await stat(path)).size };
}
