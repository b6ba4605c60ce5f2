/** The two files of a PEFT folder on their way into the store. */
import type { Readable } from 'node:stream';
import type { PushUpload } from './dto/revision.dto.js';
import type { Staging } from './staged-blobs.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

const MAX_CONFIG_BYTES = 1024 * 1024;

/** Content addresses of the two. */
export interface AdapterBlobs {
  config: string;
  weights: string;
}

export interface PushRequest {
  fields: PushUpload;
  files: AdapterBlobs;
}

/** Stages the files of a push, wherever they come from, and says what is pushed. */
export type Receive = (staging: AdapterStaging) => Promise<PushRequest>;

/** Puts the files of one push into the store, each within its limit. */
export class AdapterStaging {
  readonly #staging: Staging;
  readonly #maxBytes: number;

  constructor(staging: Staging, maxBytes: number) {
    this.#staging = staging;
    this.#maxBytes = maxBytes;
  }

  config(stream: Readable): Promise<string> {
    return this.#staging.put(stream, 'the adapter', Math.min(MAX_CONFIG_BYTES, this.#maxBytes));
  }

  weights(stream: Readable): Promise<string> {
    return this.#staging.put(stream, 'the adapter', this.#maxBytes);
  }
}
