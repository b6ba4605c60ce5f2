/**
 * The keys, in memory: no request waits for the database because of its key, and inference goes on while the database
 * is away. They are read again in the background once they are older than half a minute, which is how long another
 * service on the same database takes to notice that a key was revoked; an unknown key is looked for at once.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Database } from '../database/database.js';
import type { Logger } from '../logger.js';
import { hashOf, prefixOf } from './api-key.js';
import type { Caller } from './scope.js';

interface KnownKey {
  hash: Buffer;
  caller: Caller;
}

const FRESH_MS = 30_000;
/** Guessed keys must not become queries: at most one a second. */
const LOOK_AGAIN_MS = 1_000;

export class ApiKeys {
  readonly #database: Database;
  readonly #logger: Logger;
  #known: ReadonlyMap<string, KnownKey> = new Map();
  #readAt = 0;
  #reading: Promise<void> | null = null;

  private constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  static async load(database: Database, logger: Logger): Promise<ApiKeys> {
    const keys = new ApiKeys(database, logger);
    await keys.#read();
    return keys;
  }

  /** Null if the key is not known or revoked. */
  async callerOf(key: string, now = Date.now()): Promise<Caller | null> {
    const prefix = prefixOf(key);
    if (prefix === null) return null;
    const age = now - this.#readAt;
    if (!this.#known.has(prefix) && age > LOOK_AGAIN_MS) await this.#readOnce();
    else if (age > FRESH_MS) void this.#readOnce();
    const known = this.#known.get(prefix);
    return known && timingSafeEqual(known.hash, hashOf(key)) ? known.caller : null;
  }

  /** Never rejects: what is known already is what there is to go by. */
  #readOnce(): Promise<void> {
    this.#reading ??= this.#read()
      .catch((error: unknown) => {
        this.#readAt = Date.now();
        this.#logger.warn({ err: error }, 'the API keys could not be read again');
      })
      .finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const rows = await this.#database.client.apiKey.findMany({ where: { revokedAt: null } });
    this.#known = new Map(
      rows.map(({ id, name, prefix, hash, scopes, subtreeId, requestsPerMinute, tokensPerMinute }) => [
        prefix,
        {
          hash: Buffer.from(hash, 'hex'),
          caller: {
            keyId: id,
            keyName: name,
            scopes,
            subtree: subtreeId,
            limits: { requestsPerMinute, tokensPerMinute },
          },
        },
      ]),
    );
    this.#readAt = Date.now();
  }
}
