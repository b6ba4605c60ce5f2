/**
 * LISTEN on a connection of its own (https://www.postgresql.org/docs/current/sql-listen.html). What is announced while it
 * is down is lost, so every new connection says so to the listener, who reads what it missed. A connection that is dead
 * without a word, behind a firewall for example, is found out by asking it something every few seconds.
 */
import pg from 'pg';
import type { Logger } from '../logger.js';
import type { Listener } from './driver.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;
const PROBE_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface ListenOptions {
  connectionString: string;
  channel: string;
  heard: (payload: string | null) => void;
  logger: Logger;
}

export class PostgresListener implements Listener {
  readonly #options: ListenOptions;
  #client: pg.Client | null = null;
  #connected = false;
  #closed = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ListenOptions) {
    this.#options = options;
    void this.#connect();
  }

  get connected(): boolean {
    return this.#connected;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const { connectionString, channel, heard, logger } = this.#options;
    const client = new pg.Client({
      connectionString,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    this.#client = client;
    const lost = (error?: Error): void => {
      if (this.#client !== client || this.#closed) return;
      if (this.#connected)
        logger.warn({ err: error }, 'changes of other instances are not heard until the database is back');
      this.#retry();
    };
    client.on('error', lost);
    client.on('end', () => lost());
    client.on('notification', ({ payload }) => heard(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      lost(error as Error);
      return;
    }
    this.#connected = true;
    this.#retryMs = FIRST_RETRY_MS;
    heard(null);
    this.#probeLater(client, lost);
  }

  #probeLater(client: pg.Client, lost: (error: Error) => void): void {
    this.#timer = setTimeout(() => {
      client.query('SELECT 1').then(() => {
        if (this.#client === client && !this.#closed) this.#probeLater(client, lost);
      }, lost);
    }, PROBE_MS).unref();
  }

  #retry(): void {
    const dead = this.#client;
    this.#client = null;
    this.#connected = false;
    clearTimeout(this.#timer);
    void dead?.end().catch(() => undefined);
    this.#timer = setTimeout(() => void this.#connect(), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}
