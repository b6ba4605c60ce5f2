/** The files of a PEFT folder on their way into the store, each within its limit; none may be an archive. */
import { FileTooLargeError, InvalidFileError } from '../errors/files.js';
import { BlobTooLargeError } from '../errors/storage.js';
import { refuseArchive } from './archives.js';
import type { RevisionSource } from './dto/hub.dto.js';
import { MAX_CARD_BYTES, type PushFields } from './dto/revision.dto.js';
import type { Staging } from './staged-blobs.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';
/** Its card. */
export const README = 'README.md';

const MAX_CONFIG_BYTES = 1024 * 1024;

/** Content addresses of the two. */
export interface AdapterBlobs {
  config: string;
  weights: string;
}

export interface PushRequest {
  fields: PushFields;
  files: AdapterBlobs;
  source: RevisionSource | null;
}

/**
 * Stages the files of a push, wherever they come from, and says what is pushed. Where that is known beforehand, `check`
 * refuses what can't be, before any file is fetched.
 */
export type Receive = (staging: AdapterStaging, check: (fields: PushFields) => void) => Promise<PushRequest>;

type Bytes = AsyncIterable<Uint8Array>;

export class AdapterStaging {
  readonly #staging: Staging;
  readonly maxBytes: number;

  constructor(staging: Staging, maxBytes: number) {
    this.#staging = staging;
    this.maxBytes = maxBytes;
  }

  async config(stream: Bytes): Promise<string> {
    const limit = Math.min(MAX_CONFIG_BYTES, this.maxBytes);
    try {
      return await this.#staging.put(refuseArchive(ADAPTER_CONFIG, stream), 'the adapter', limit);
    } catch (error) {
      throw error instanceof BlobTooLargeError ? new FileTooLargeError(ADAPTER_CONFIG, limit) : error;
    }
  }

  weights(stream: Bytes): Promise<string> {
    return this.#staging.put(refuseArchive(ADAPTER_WEIGHTS, stream), 'the adapter', this.maxBytes);
  }

  /** Kept with the revision, not among the blobs. */
  async card(stream: Bytes): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of refuseArchive(README, stream)) {
      bytes += chunk.length;
      if (bytes > MAX_CARD_BYTES) throw new FileTooLargeError(README, MAX_CARD_BYTES);
      chunks.push(chunk);
    }
    const text = utf8(Buffer.concat(chunks));
    if (text === null || text.includes('\0')) throw new InvalidFileError(README, 'is no text in UTF-8');
    return text;
  }
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
