/**
 * The metrics on a port of their own, for a Prometheus that runs beside the service and has no key. It listens on the
 * loopback address alone, whatever the service itself listens on.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CONFIG, type Config } from '../config.js';
import { AddressTakenError } from '../errors/start-up.js';
import { LOGGER, type Logger } from '../logger.js';
import { Metrics } from './metrics.js';

const LOOPBACK = '127.0.0.1';

@Injectable()
export class MetricsListener implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #metrics: Metrics;
  readonly #port: number | null;
  readonly #logger: Logger;
  #server: Server | null = null;

  constructor(metrics: Metrics, @Inject(CONFIG) config: Config, @Inject(LOGGER) logger: Logger) {
    this.#metrics = metrics;
    this.#port = config.metricsPort;
    this.#logger = logger;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.#port === null) return;
    const server = (this.#server = createServer((request, response) => void this.#answer(request, response)));
    try {
      await once(server.listen(this.#port, LOOPBACK), 'listening');
    } catch (error) {
      const { code = 'EADDRINUSE' } = error as NodeJS.ErrnoException;
      throw new AddressTakenError(LOOPBACK, this.#port, code, 'ESPALIER_METRICS_PORT');
    }
    const { port } = server.address() as AddressInfo;
    this.#logger.info({ url: `http://${LOOPBACK}:${port}/metrics` }, 'metrics without a key');
  }

  onModuleDestroy(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== 'GET' || url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = await this.#metrics.registry.metrics();
      response.writeHead(200, { 'content-type': this.#metrics.registry.contentType }).end(text);
    } catch (error) {
      this.#logger.error({ err: error }, 'the metrics could not be read');
      response.writeHead(500).end();
    }
  }
}
