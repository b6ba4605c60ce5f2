/** Adapters are read off the HTTP thread, one at a time, within a deadline: a bad one can cost no more than its worker. */
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pLimit from 'p-limit';
import { Piscina } from 'piscina';
import { AdapterUnreadableError, PushOverloadedError } from '../errors/adapters.js';
import { EspalierError } from '../errors/espalier-error.js';
import type { AdapterAnswer, AdapterFacts, AdapterTask } from './adapter-reader.worker.js';

const WORKER = new URL('./adapter-reader.worker.js', import.meta.url).href;
const DEADLINE_MS = 120_000;
const MAX_WAITING = 64;
/** An idle worker gives its memory back. */
const IDLE_MS = 10_000;

@Injectable()
export class AdapterReader implements OnApplicationShutdown {
  readonly #pool = new Piscina<AdapterTask, AdapterAnswer>({
    filename: WORKER,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
  });

  /** The deadline is for reading, not for waiting. */
  readonly #oneAtATime = pLimit(1);

  /** Throws the reader's own errors: what is wrong with the adapter, and with which key or field. */
  async read(task: AdapterTask): Promise<AdapterFacts> {
    if (this.#oneAtATime.pendingCount >= MAX_WAITING) throw new PushOverloadedError();
    const answer = await this.#oneAtATime(() => this.#run(task));
    if ('error' in answer) throw EspalierError.from(answer.error);
    return answer.facts;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }

  async #run(task: AdapterTask): Promise<AdapterAnswer> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
    try {
      return await this.#pool.run(task, { signal: deadline.signal });
    } catch (error) {
      if (deadline.signal.aborted) throw new AdapterUnreadableError(`it took over ${DEADLINE_MS / 1000} s`, error);
      throw new AdapterUnreadableError(error instanceof Error ? error.message : String(error), error);
    } finally {
      clearTimeout(timer);
    }
  }
}
