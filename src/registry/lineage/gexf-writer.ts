import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Piscina } from 'piscina';
import { ExportOverloadedError } from '../../errors/exports.js';
import type { Lineage } from '../../tree/lineage.js';

const WORKER = new URL('./gexf.worker.js', import.meta.url).href;
/** Each holds a lineage in memory. */
const MAX_WAITING = 8;
/** An idle worker gives its memory back. */
const IDLE_MS = 10_000;

@Injectable()
export class GexfWriter implements OnApplicationShutdown {
  readonly #pool = new Piscina<Lineage, string>({
    filename: WORKER,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
  });

  async write(lineage: Lineage): Promise<string> {
    if (this.#pool.queueSize >= MAX_WAITING) throw new ExportOverloadedError(MAX_WAITING);
    return this.#pool.run(lineage);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }
}
