/**
 * Two services on one PostgreSQL database, one folder of blobs and one of models. The second reaches the database over a
 * line that a test can cut. Only where ESPALIER_TEST_DATABASE_URL is set.
 */
import { join } from 'node:path';
import { createDatabase, type TestDatabase } from './postgres.js';
import { TestService } from './service.js';
import { TcpRelay } from './tcp-relay.js';
import { TinyRegistry } from './tiny-registry.js';

export class TwoInstances {
  readonly first: TinyRegistry;
  readonly second: TestService;
  readonly relay: TcpRelay;
  readonly #database: TestDatabase;

  private constructor(database: TestDatabase, relay: TcpRelay, first: TinyRegistry, second: TestService) {
    this.#database = database;
    this.relay = relay;
    this.first = first;
    this.second = second;
  }

  static async start(): Promise<TwoInstances> {
    const database = await createDatabase();
    if (!database) throw new Error('two instances need a PostgreSQL server');
    const url = new URL(database.url);
    const relay = new TcpRelay({ host: url.hostname, port: Number(url.port || 5432) });
    await relay.open();
    const first = await TinyRegistry.start({ env: { DATABASE_URL: database.url } });
    url.host = `127.0.0.1:${relay.port}`;
    const second = await TestService.start({
      keys: first.service.keys,
      env: {
        DATABASE_URL: url.href,
        ESPALIER_IMPORT_ROOTS: first.folder,
        ESPALIER_BLOBS: join(first.service.dataFolder, 'blobs'),
        ESPALIER_MODELS: join(first.service.dataFolder, 'models'),
      },
    });
    return new TwoInstances(database, relay, first, second);
  }

  /** The admin key of both. */
  get key(): string {
    return this.first.service.keys.admin;
  }

  async remove(): Promise<void> {
    await this.second.remove();
    await this.relay.cut();
    await this.first.remove();
    await this.#database.drop();
  }
}
