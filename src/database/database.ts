/**
 * The one database, whichever driver is behind it.
 *
 * Every query through `client` and `transaction` that fails because the database is away fails with
 * DatabaseUnavailableError; all other errors are Prisma's own.
 */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Config } from '../config.js';
import { DatabaseUnavailableError } from '../errors/database.js';
import type { Logger } from '../logger.js';
import type { Driver, Listener } from './driver.js';
import { openEmbedded } from './embedded.js';
import { Prisma, PrismaClient } from './generated/client.js';
import { openPostgres } from './postgres.js';
import { explainDatabaseError } from './unavailable.js';

/** The client inside of a transaction: nothing else may be used there. */
export type Transaction = Prisma.TransactionClient;

const QUERIES: { emit: 'event'; level: 'query' }[] = [{ emit: 'event', level: 'query' }];

const TRANSACTION = { maxWait: 5_000, timeout: 30_000 };
/** A boot reads a million rows in one. */
const SNAPSHOT_TIMEOUT_MS = 600_000;
const PING_TIMEOUT_MS = 2_000;

/**
 * What a function of WebAssembly has done when V8 compiles it anew, optimised. By V8's own measure, 1.8 million, this would be
 * a third of a start's work, for functions of PGlite and Prisma that run a few times; those that go on running soon get there.
 */
const WASM_TIERING_BUDGET = 30_000_000;

export class Database {
  readonly client: PrismaClient;
  readonly description: string;
  readonly #driver: Driver;
  #closing: Promise<void> | null = null;

  /** At level `trace`, the log has every statement, without its values. */
  constructor(driver: Driver, logger: Logger) {
    this.#driver = driver;
    this.description = driver.description;
    const plain = new PrismaClient({
      adapter: driver.adapter,
      transactionOptions: TRANSACTION,
      log: logger.isLevelEnabled('trace') ? QUERIES : [],
    });
    plain.$on('query', ({ query, duration }) => logger.trace({ sql: query, ms: duration }, 'query'));
    // The extension changes no type, only what a failed query throws; Prisma types it as another client all the same.
    this.client = plain.$extends({
      query: {
        $allOperations: async ({ args, query }) => {
          try {
            return (await query(args)) as unknown;
          } catch (error) {
            throw explainDatabaseError(error);
          }
        },
      },
    }) as unknown as PrismaClient;
  }

  /** Opens and migrates. Takes the lock on the data folder for granted. */
  static async open(config: Config, logger: Logger): Promise<Database> {
    setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
    const driver = config.databaseUrl
      ? await openPostgres(config.databaseUrl, logger)
      : await openEmbedded(join(config.dataFolder, 'database'));
    if (driver.migrated.length > 0) logger.info({ migrations: driver.migrated }, 'database migrated');
    return new Database(driver, logger);
  }

  /** All or nothing. Keep it short: the embedded database has one connection, and everybody else waits. */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.client.$transaction(work);
    } catch (error) {
      throw explainDatabaseError(error);
    }
  }

  /** Reads alone, all of one state of the database, however long they take. */
  async snapshot<T>(work: (reader: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.client.$transaction(work, {
        isolationLevel: Prisma.TransactionIsolationLevel.RepeatableRead,
        maxWait: TRANSACTION.maxWait,
        timeout: SNAPSHOT_TIMEOUT_MS,
      });
    } catch (error) {
      throw explainDatabaseError(error);
    }
  }

  /**
   * Calls `heard` with what is announced on a channel, and, whenever the connection was made anew, with null: something
   * may have been missed. Null where nobody else can write to this database.
   */
  listen(channel: string, heard: (payload: string | null) => void): Listener | null {
    return this.#driver.listen?.(channel, heard) ?? null;
  }

  /** Rejects with DatabaseUnavailableError if the database doesn't answer soon. */
  async ping(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new DatabaseUnavailableError(new Error(`no answer in ${PING_TIMEOUT_MS} ms`))),
        PING_TIMEOUT_MS,
      );
    });
    try {
      await Promise.race([this.client.$queryRaw`SELECT 1`, late]);
    } catch (error) {
      throw error instanceof DatabaseUnavailableError ? error : new DatabaseUnavailableError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.client.$disconnect().then(() => this.#driver.close());
    return this.#closing;
  }
}
