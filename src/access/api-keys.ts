/**
 * The keys, in memory: no request waits for the database because of its key, and inference goes on while the database is
 * away. Whoever changes a key has them read again at once, here and, over the feed of changes, in other instances. Beyond
 * that they are read now and then, which also tells whether the database is there: after the grace period without it,
 * nobody can say any more whether a key still holds, and none is taken.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Database } from '../database/database.js';
import { ApiKeyExpiredError, KeysUnverifiedError } from '../errors/access.js';
import { DatabaseUnavailableError } from '../errors/database.js';
import type { Logger } from '../logger.js';
import { hashOf, prefixOf } from './api-key.js';
import { KeyUses } from './key-uses.js';
import type { Caller } from './scope.js';

interface KnownKey {
  hash: Buffer;
  expiresAt: number;
  caller: Caller;
}

const FRESH_MS = 10_000;
/** Guessed keys must not become queries: at most one a second. */
const LOOK_AGAIN_MS = 1_000;

export interface KeysOptions {
  /** How long keys are taken on trust while the database is away. */
  graceMs: number;
  logger: Logger;
}

export class ApiKeys {
  readonly #database: Database;
  readonly #options: KeysOptions;
  readonly #uses: KeyUses;
  #known: ReadonlyMap<string, KnownKey> = new Map();
  /** When the read began that `#known` is from. */
  #readAt = 0;
  /** When the last read began, whatever came of it. */
  #triedAt = 0;
  #reading: Promise<void> | null = null;

  private constructor(database: Database, options: KeysOptions) {
    this.#database = database;
    this.#options = options;
    this.#uses = new KeyUses(database, options.logger);
  }

  static async load(database: Database, options: KeysOptions): Promise<ApiKeys> {
    const keys = new ApiKeys(database, options);
    await keys.#read();
    return keys;
  }

  /** Null if the key is not known or revoked. Throws where it has expired, or where nobody can tell. */
  async callerOf(key: string, now = Date.now()): Promise<Caller | null> {
    const prefix = prefixOf(key);
    if (prefix === null) return null;
    const sinceTry = now - this.#triedAt;
    if (!this.#known.has(prefix) && sinceTry > LOOK_AGAIN_MS) await this.#tryReading();
    else if (sinceTry > FRESH_MS) void this.#tryReading();
    const known = this.#known.get(prefix);
    if (!known) {
      // It may be newer than what is known here.
      if (this.#readAt < this.#triedAt) throw new DatabaseUnavailableError(new Error('keys could not be read'));
      return null;
    }
    if (!timingSafeEqual(known.hash, hashOf(key))) return null;
    if (now >= known.expiresAt) throw new ApiKeyExpiredError(new Date(known.expiresAt));
    if (now - this.#readAt > this.#options.graceMs) throw new KeysUnverifiedError(this.#options.graceMs);
    if (known.caller.keyId !== null) this.#uses.note(known.caller.keyId, now);
    return known.caller;
  }

  /** When the key was last used here and that isn't written yet. */
  lastUse(keyId: string): Date | null {
    return this.#uses.last(keyId);
  }

  /** Reads them again, with what has been committed until now. Rejects where that can't be. */
  async refresh(): Promise<void> {
    // One that is under way may have begun before the commit.
    await this.#reading?.catch(() => undefined);
    await this.#readOnce();
  }

  /** The same without waiting; goes on until it has worked. */
  refreshSoon(): void {
    this.refresh().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'the API keys could not be read again yet');
      setTimeout(() => this.refreshSoon(), LOOK_AGAIN_MS).unref();
    });
  }

  async close(): Promise<void> {
    await this.#uses.close();
  }

  /** Never rejects: what is known already is what there is to go by. */
  async #tryReading(): Promise<void> {
    try {
      await this.#readOnce();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the API keys could not be read again');
    }
  }

  #readOnce(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const began = Date.now();
    this.#triedAt = began;
    const rows = await this.#database.client.apiKey.findMany({ where: { revokedAt: null } });
    this.#known = new Map(rows.map((row) => [row.prefix, toKnownKey(row)]));
    this.#readAt = began;
  }
}

interface KeyRow {
  id: string;
  name: string;
  hash: string;
  scopes: string[];
  subtreeId: string | null;
  expiresAt: Date | null;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
}

function toKnownKey(row: KeyRow): KnownKey {
  const { requestsPerMinute, tokensPerMinute } = row;
  return {
    hash: Buffer.from(row.hash, 'hex'),
    expiresAt: row.expiresAt?.getTime() ?? Infinity,
    caller: {
      keyId: row.id,
      keyName: row.name,
      scopes: row.scopes,
      subtree: row.subtreeId,
      limits: { requestsPerMinute, tokensPerMinute },
    },
  };
}
