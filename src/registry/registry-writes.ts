/**
 * Every change to the registry passes here, one at a time: checked against the tree, written in one transaction, and set
 * in the tree after the commit and before the next change looks at it. So the tree sees commits in their order, numbers
 * of revisions have no gaps, and the database's own constraints are a second line of defence.
 */
import { Inject, Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import { Database, type Transaction } from '../database/database.js';
import { DatabaseUnavailableError } from '../errors.js';
import { LOGGER, type Logger } from '../logger.js';
import { MirrorLoader } from './mirror-loader.js';

export interface Change<T> {
  result: T;
  /** Sets in the tree what was committed. */
  apply: () => void;
}

const RELOAD_AFTER_MS = 2_000;

@Injectable()
export class RegistryWrites {
  readonly #oneAtATime = pLimit(1);
  /** A commit whose outcome isn't known, or that didn't reach the tree: the tree is read anew before the next change. */
  #inDoubt = false;

  constructor(
    private readonly database: Database,
    private readonly loader: MirrorLoader,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** `work` sees the tree as it is when its turn has come. It may throw; then nothing is changed. */
  commit<T>(work: (transaction: Transaction) => Promise<Change<T>>): Promise<T> {
    return this.#oneAtATime(async () => {
      await this.#settle();
      const { result, apply } = await this.#transact(work);
      try {
        apply();
      } catch (error) {
        this.logger.error({ err: error }, 'a committed change did not fit the tree, which is read anew');
        this.#inDoubt = true;
        // It is committed, whatever comes of this: whoever took it for failed would remove its files.
        await this.#settle().catch(() => this.#settleLater());
      }
      return result;
    });
  }

  async #transact<T>(work: (transaction: Transaction) => Promise<Change<T>>): Promise<Change<T>> {
    try {
      return await this.database.transaction(work);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) {
        this.#inDoubt = true;
        this.#settleLater();
      }
      throw error;
    }
  }

  async #settle(): Promise<void> {
    if (!this.#inDoubt) return;
    await this.loader.load();
    this.#inDoubt = false;
  }

  #settleLater(): void {
    setTimeout(() => {
      this.#oneAtATime(() => this.#settle()).catch(() => this.#settleLater());
    }, RELOAD_AFTER_MS).unref();
  }
}
