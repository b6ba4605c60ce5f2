/** When keys were last used: noted in memory, and written together now and then, so that no request waits for it. */
import type { Database } from '../database/database.js';
import type { Logger } from '../logger.js';

const WRITE_AFTER_MS = 10_000;

export class KeyUses {
  readonly #database: Database;
  readonly #logger: Logger;
  #noted = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  note(keyId: string, at: number): void {
    this.#noted.set(keyId, at);
    this.#timer ??= setTimeout(() => void this.#write(), WRITE_AFTER_MS).unref();
  }

  last(keyId: string): Date | null {
    const at = this.#noted.get(keyId);
    return at === undefined ? null : new Date(at);
  }

  async close(): Promise<void> {
    await this.#write();
    if (this.#timer) clearTimeout(this.#timer);
  }

  async #write(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const noted = this.#noted;
    if (noted.size === 0) return;
    this.#noted = new Map();
    const ids = [...noted.keys()];
    const times = [...noted.values()].map((at) => new Date(at));
    try {
      // Several instances serve one key: the latest use counts.
      await this.#database.client.$executeRaw`
        UPDATE "ApiKey" SET "lastUsedAt" = used."at"
        FROM unnest(${ids}::text[], ${times}::timestamp[]) AS used("id", "at")
        WHERE "ApiKey"."id" = used."id" AND ("lastUsedAt" IS NULL OR "lastUsedAt" < used."at")`;
    } catch (error) {
      this.#logger.warn({ err: error }, 'the last uses of API keys are not written yet');
      this.#noted = new Map([...noted, ...this.#noted]);
      this.#timer ??= setTimeout(() => void this.#write(), WRITE_AFTER_MS).unref();
    }
  }
}
