/**
 * Adapters from the blob store into memory, folded. An engine process reads them in threads of their own: decoding one
 * takes as long as a step or more, and rows that run don't wait for it.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { AdapterLoadError, EspalierError, type ErrorShape } from '../errors.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { LoadAnswer, LoadTask } from './adapter-loader.worker.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { readPacked, unpack } from './packed-adapter.js';
import type { AdapterUse } from './protocol.js';

export interface AdapterLoader {
  /** Throws an EspalierError for what is wrong with the adapter. */
  load(use: AdapterUse, config: ModelConfig): Promise<FoldedAdapter>;
  close(): Promise<void>;
}

/** Reads in the thread that asks. */
export const IN_THIS_THREAD: AdapterLoader = {
  load: async (use, config) => unpack(use.digest, await readPacked(use, config), config),
  close: () => Promise.resolve(),
};

/** Beside this file in the built service. */
const WORKER = new URL('./adapter-loader.worker.js', import.meta.url).href;

/** A second thread only where it doesn't take a core from the run. */
const THREADS = Math.max(1, Math.min(2, availableParallelism() - 2));

export class AdapterLoaderThreads implements AdapterLoader {
  readonly #pool: Piscina<LoadTask, LoadAnswer>;

  /** A thread that dies takes the load that it had along, and another is started. */
  constructor(worker = WORKER) {
    this.#pool = new Piscina({ filename: worker, minThreads: THREADS, maxThreads: THREADS });
    // A thread that died at work has failed its load; the event itself has no further news.
    this.#pool.on('error', () => undefined);
  }

  async load({ digest, configFile, weightsFile }: AdapterUse, config: ModelConfig): Promise<FoldedAdapter> {
    const answer = await this.#pool.run({ adapter: { digest, configFile, weightsFile }, config });
    if ('error' in answer) throw EspalierError.from(answer.error);
    return unpack(digest, answer.packed, config);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Why a load failed, as the service is told. */
export function loadFailure(use: AdapterUse, error: unknown): ErrorShape {
  return (error instanceof EspalierError ? error : new AdapterLoadError(use.digest, error)).toShape();
}
