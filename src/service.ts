/** The service as a whole: opens its parts in order, and closes them in the opposite one. */
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createServer, type AddressInfo } from 'node:net';
import { ApiKeys } from './access/api-keys.js';
import { authenticateRequests } from './access/authentication.js';
import { RateLimits } from './access/rate-limits.js';
import { ensureFirstKeys, type KeyFiles } from './access/first-keys.js';
import { AppModule } from './app.module.js';
import type { Config } from './config.js';
import { Database } from './database/database.js';
import { EngineSupervisor } from './engine/supervisor.js';
import { AddressTakenError } from './errors/start-up.js';
import { allowOrigins } from './http/cors.js';
import { drain } from './http/drain.js';
import { Lifecycle } from './http/lifecycle.js';
import { NestLog } from './http/nest-log.js';
import { createAdapter } from './http/server.js';
import type { Logger } from './logger.js';
import { RegistryService } from './registry/registry.service.js';
import { FolderLock } from './storage/folder-lock.js';
import { openBlobStore } from './storage/open-blob-store.js';

/** What people are told once the service is up. */
export interface Running {
  url: string;
  keys: KeyFiles;
  database: string;
  /** Whether the path of the demo tree that people are shown is served. */
  demo: boolean;
}

/** A path of the demo tree, and something that its author might have begun with. */
export const DEMO = { model: 'storyteller/french/verne', prompt: 'Le capitaine' };

/** After the grace period, how long answers that are being written have to get out. */
const LAST_WORDS_MS = 1_000;

export class Service {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #lifecycle = new Lifecycle();
  #lock: FolderLock | null = null;
  #database: Database | null = null;
  #engine: EngineSupervisor | null = null;
  #keys: ApiKeys | null = null;
  #app: NestFastifyApplication | null = null;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
  }

  /** Serves when it resolves. When it rejects, `stop` closes what was opened. */
  async start(): Promise<Running> {
    const config = this.#config;
    const logger = this.#logger;
    const lifecycle = this.#lifecycle;
    this.#lock = await FolderLock.take(config.dataFolder);
    // Found out now rather than after the work that a first start has to do.
    await assertAddressFree(config.host, config.port);
    const database = (this.#database = await Database.open(config, logger));
    const files = await ensureFirstKeys(database, config.dataFolder);
    const blobs = await openBlobStore(config.blobs);
    const engine = (this.#engine = EngineSupervisor.start(config.engine, { logger }));

    const adapter = createAdapter(config, logger, lifecycle);
    const keys = (this.#keys = await ApiKeys.load(database, { graceMs: config.keyGraceMs, logger }));
    await allowOrigins(adapter.getInstance(), config.corsOrigins);
    const limits = new RateLimits();
    authenticateRequests(adapter.getInstance(), keys, limits);
    const platform = { config, logger, lifecycle, database, blobs, engine, keys, limits };
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares options as a class
    const app = await NestFactory.create<NestFastifyApplication>(AppModule.on(platform), adapter, {
      logger: new NestLog(logger),
      bodyParser: false,
      abortOnError: false,
    });
    await app.init();
    const url = await this.#listen(app);
    // Not before: an application that is half started can't be closed, only left.
    this.#app = app;
    logger.info({ url, database: database.description }, 'serving');
    const demo = app.get(RegistryService).tree.nodeByPath(DEMO.model.split('/')) !== undefined;
    return { url, keys: files, database: database.description, demo };
  }

  /** Lets running requests finish within the grace period, then closes everything. */
  async stop(): Promise<void> {
    const graceMs = this.#config.shutdownGraceMs;
    this.#lifecycle.beginStop();
    // Together: requests wait for the engine, and the engine for its rows.
    await Promise.all([
      this.#app ? drain(this.#app.getHttpAdapter().getInstance(), graceMs + LAST_WORDS_MS) : undefined,
      this.#engine?.stop(graceMs),
    ]);
    await this.#app?.close();
    await this.#keys?.close();
    await this.#database?.close();
    this.#lock?.release();
  }

  /** The least that has to be done before the process ends here and now. */
  abandon(): void {
    // It would end by itself, but only after the step that it is in.
    if (this.#engine?.pid !== undefined) process.kill(this.#engine.pid, 'SIGKILL');
    this.#lock?.release();
  }

  async #listen(app: NestFastifyApplication): Promise<string> {
    const { host, port } = this.#config;
    try {
      await app.listen(port, host);
    } catch (error) {
      throw addressError(host, port, error);
    }
    const { port: actual } = app.getHttpServer().address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  }
}

function assertAddressFree(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(addressError(host, port, error)));
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

function addressError(host: string, port: number, error: unknown): Error {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code !== undefined && (syscall === 'listen' || syscall === 'getaddrinfo')) {
    return new AddressTakenError(host, port, code);
  }
  return error as Error;
}
