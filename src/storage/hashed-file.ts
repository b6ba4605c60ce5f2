/** A stream into a file, counted and hashed on the way. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { BlobTooLargeError } from '../errors/storage.js';
import type { StoredBlob } from './blob-store.js';

/** Writes a new file and forces it to the disk. On an error the half file stays; the caller removes it. */
export async function writeHashed(
  stream: AsyncIterable<Uint8Array>,
  file: string,
  maxBytes = Infinity,
): Promise<StoredBlob> {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new BlobTooLargeError(maxBytes);
      hash.update(chunk);
      yield chunk;
    }
  }
  const written = createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true });
  try {
    await pipeline(hashed, written);
  } catch (error) {
    // What fails at once fails before the file is made, which would then come after whoever removes it.
    if (!written.closed) await once(written, 'close');
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}
