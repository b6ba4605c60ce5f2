/**
 * Adapters from the blob store into memory, folded. An engine process reads them in threads of their own: decoding one
 * takes as long as a step or more, and rows that run don't wait for it.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { AdapterLoadError } from '../errors/adapters.js';
import { EspalierError } from '../errors/espalier-error.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { LoadAnswer, LoadTask } from './adapter-loader.worker.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { readPacked, unpack } from './packed-adapter.js';
import type { AdapterUse } from './protocol.js';

export interface AdapterLoader {
  /** Throws what it likes; `loadFailure` says what of that callers may know. */
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

/** Adapters that are read at once for waiting rows, and that a thread has at hand: while a step runs, it is given none. */
export const MAX_READ_AHEAD = 4;

/** A second thread only where it doesn't take a core from the run. */
const THREADS = Math.max(1, Math.min(2, availableParallelism() - 2));

export class AdapterLoaderThreads implements AdapterLoader {
  readonly #pool: Piscina<LoadTask, LoadAnswer>;
  /** Second tries, one after the other. */
  #retries: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** A thread that dies takes the loads that it had along, which are tried once more, and another is started. */
  constructor(worker = WORKER) {
    this.#pool = new Piscina({
      filename: worker,
      minThreads: THREADS,
      maxThreads: THREADS,
      concurrentTasksPerWorker: MAX_READ_AHEAD,
    });
    // A thread that died at work has failed its load; the event itself has no further news.
    this.#pool.on('error', () => undefined);
  }

  async load({ digest, configFile, weightsFile }: AdapterUse, config: ModelConfig): Promise<FoldedAdapter> {
    const task = { adapter: { digest, configFile, weightsFile }, config };
    const answer = await this.#pool.run(task).catch((error: unknown) => {
      if (this.#closed) throw error;
      return this.#tryAgain(task);
    });
    if ('error' in answer) throw EspalierError.from(answer.error, answer.reason);
    return unpack(digest, answer.packed, config);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.destroy();
  }

  /** Apart from the others that died with it, of which one may be the cause. */
  #tryAgain(task: LoadTask): Promise<LoadAnswer> {
    const answer = this.#retries.then(() => this.#pool.run(task));
    this.#retries = answer.catch(() => undefined);
    return answer;
  }
}

/** The same loader, which tells of each failure and throws what callers may know. A load that an end cuts off is no failure. */
export function telling(loader: AdapterLoader, tell: (use: AdapterUse, error: unknown) => void): AdapterLoader {
  let closed = false;
  return {
    load: async (use, config) => {
      try {
        return await loader.load(use, config);
      } catch (error) {
        if (!closed) tell(use, error);
        throw loadFailure(error);
      }
    },
    close: () => {
      closed = true;
      return loader.close();
    },
  };
}

/** Of these the numbers of the adapter are the reason, and their messages name nothing of this machine. */
const MAY_BE_TOLD = new Set(['adapter_load_failed', 'non_finite_adapter']);

/** Why a load failed, as callers are told. It was checked when it was pushed, so all else is no fault of theirs. */
export function loadFailure(error: unknown): EspalierError {
  return error instanceof EspalierError && MAY_BE_TOLD.has(error.code) ? error : new AdapterLoadError(error);
}
