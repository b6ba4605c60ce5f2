/** Weights are quantised off the HTTP thread: a billion of them take about a minute. */
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { MessageChannel } from 'node:worker_threads';
import { EspalierError } from '../../errors/espalier-error.js';
import type { HashedFile } from '../../formats/checkpoint/file-stamps.js';
import type { Quantization } from '../../formats/quantization/scheme.js';
import type { QuantizeAnswer, QuantizeTask } from './quantize.worker.js';

const WORKER = new URL('./quantize.worker.js', import.meta.url).href;
/** An idle worker gives its memory back. */
const IDLE_MS = 10_000;

@Injectable()
export class Quantizer implements OnApplicationShutdown {
  readonly #pool = new Piscina<QuantizeTask, QuantizeAnswer>({
    filename: WORKER,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
  });

  /** Writes the file into the folder of a checkpoint. `onBytes` is told of each piece of the checkpoint that was read. */
  async quantize(folder: string, quantization: Quantization, onBytes: (bytes: number) => void): Promise<HashedFile> {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (bytes: number) => onBytes(bytes));
    try {
      const answer = await this.#pool.run({ folder, quantization, progress: port2 }, { transferList: [port2] });
      if ('error' in answer) throw EspalierError.from(answer.error);
      return answer.file;
    } finally {
      port1.close();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }
}
