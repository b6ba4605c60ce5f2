/** Paths are exported off the HTTP thread. One thread serves all: most of the time each waits for its reader. */
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { MessageChannel } from 'node:worker_threads';
import { EspalierError } from '../../errors/espalier-error.js';
import { ExportOverloadedError } from '../../errors/exports.js';
import { ExportStream } from './export-stream.js';
import type { ExportAnswer, ExportTask } from './export.worker.js';

const WORKER = new URL('./export.worker.js', import.meta.url).href;
const MAX_AT_ONCE = 16;
/** An idle worker gives its memory back. */
const IDLE_MS = 10_000;

export type Export = Omit<ExportTask, 'port'>;

export interface ExportedWeights {
  bytes: number;
  /** To be read or destroyed: until then it holds one of the places. */
  stream: ExportStream;
}

@Injectable()
export class ExportWriter implements OnApplicationShutdown {
  readonly #pool = new Piscina<ExportTask, ExportAnswer>({
    filename: WORKER,
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: MAX_AT_ONCE,
    idleTimeout: IDLE_MS,
  });
  #running = 0;

  /** adapter_config.json */
  async config(task: Export): Promise<string> {
    const answer = await this.#run({ ...task, port: null });
    if (answer === null) throw new TypeError('The export worker gave no config.');
    if ('error' in answer) throw EspalierError.from(answer.error, answer.reason);
    return answer.config;
  }

  /** adapter_model.safetensors */
  async weights(task: Export): Promise<ExportedWeights> {
    const { port1, port2 } = new MessageChannel();
    const stream = new ExportStream(port1);
    this.#run({ ...task, port: port2 }).catch((error: unknown) => {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    return { bytes: await stream.opened(), stream };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }

  async #run(task: ExportTask): Promise<ExportAnswer> {
    if (this.#running >= MAX_AT_ONCE) throw new ExportOverloadedError(MAX_AT_ONCE);
    this.#running++;
    try {
      return await this.#pool.run(task, { transferList: task.port === null ? [] : [task.port] });
    } finally {
      this.#running--;
    }
  }
}
