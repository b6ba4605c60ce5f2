/**
 * Every change to the registry passes here, one at a time over all instances: under a lock of the database the tree is
 * brought up to what others have committed, the change is checked against it, written in one transaction together with
 * its entry in the audit log, and set in the tree after the commit. So each instance sees commits in one order, numbers
 * of revisions have no gaps, and the database's own constraints are a second line of defence.
 */
import { Inject, Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import type { RequestContext } from '../access/request-context.js';
import { Database, type Transaction } from '../database/database.js';
import { DatabaseUnavailableError } from '../errors/database.js';
import { LOGGER, type Logger } from '../logger.js';
import { appendAudit, lockWriters, type AuditInput } from './audit-log.js';
import { ChangeFeed } from './change-feed.js';
import { rowsOf, type RegistryChange } from './changed-rows.js';
import { MirrorLoader } from './mirror-loader.js';
import { RegistryEvents, type Committed } from './registry-events.js';
import { TreeMirror } from './tree-mirror.js';

export interface Change<T> {
  result: T;
  /** What the tree is set to. */
  change: RegistryChange;
  /** One entry or more. Empty: nothing was changed, and nothing may have been written. */
  audit: readonly AuditInput[];
}

/** For a request that finds everything as it wants it. */
export function unchanged<T>(result: T): Change<T> {
  return { result, change: {}, audit: [] };
}

/** The tree took in only part of what others have committed. */
class CatchUpFailure extends Error {}

const RELOAD_AFTER_MS = 2_000;

@Injectable()
export class RegistryWrites {
  readonly #oneAtATime = pLimit(1);
  /** A commit whose outcome isn't known, or that didn't reach the tree: the tree is read anew before the next change. */
  #inDoubt = false;

  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly loader: MirrorLoader,
    private readonly feed: ChangeFeed,
    private readonly events: RegistryEvents,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** `work` sees the tree as it is when its turn has come. It may throw; then nothing is changed. */
  commit<T>(context: RequestContext, work: (transaction: Transaction) => Promise<Change<T>>): Promise<T> {
    return this.#oneAtATime(async () => {
      await this.#settle();
      const { result, change, committed } = await this.#retryOnFreshTree(() => this.#transact(context, work));
      await this.#intoTree(() => this.#apply(change, committed));
      return result;
    });
  }

  /** Under the writers' lock and with the tree up to date, but without a change: for asking and doing in one. */
  exclusively<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#oneAtATime(async () => {
      await this.#settle();
      return this.#retryOnFreshTree(() =>
        this.database.transaction(async (transaction) => {
          await this.#takeTurn(transaction);
          return work(transaction);
        }),
      );
    });
  }

  /** Takes over what other instances have committed, up to an entry that was announced, or whatever there is. */
  catchUp(sequence: bigint | null = null): Promise<void> {
    return this.#oneAtATime(async () => {
      // Its own commits are announced to this instance too.
      if (sequence !== null && sequence <= this.feed.applied) return;
      if (this.#inDoubt) await this.#settle();
      else await this.#intoTree(() => this.database.snapshot((reader) => this.feed.catchUp(reader)));
    });
  }

  async #transact<T>(
    context: RequestContext,
    work: (transaction: Transaction) => Promise<Change<T>>,
  ): Promise<{ result: T; change: RegistryChange; committed: Committed[] }> {
    try {
      return await this.database.transaction(async (transaction) => {
        await this.#takeTurn(transaction);
        const { result, change, audit } = await work(transaction);
        if (audit.length === 0) return { result, change: {}, committed: [] };
        const changed = rowsOf(change);
        const sequences = await appendAudit(transaction, context, audit, changed, this.feed.applied);
        const committed = audit.map(({ action, nodeId, path }, i) => ({
          sequence: sequences[i] ?? 0n,
          action,
          nodeId,
          path,
          changed: i === 0 ? changed : {},
        }));
        return { result, change, committed };
      });
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) {
        this.#inDoubt = true;
        this.#settleLater();
      }
      throw error;
    }
  }

  async #takeTurn(transaction: Transaction): Promise<void> {
    await lockWriters(transaction);
    try {
      await this.feed.catchUp(transaction);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      throw new CatchUpFailure('the changes of another instance did not fit the tree', { cause: error });
    }
  }

  async #retryOnFreshTree<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CatchUpFailure)) throw error;
      this.logger.error({ err: error.cause }, `${error.message}, which is read anew`);
      this.#inDoubt = true;
      await this.#settle();
      return work();
    }
  }

  #apply(change: RegistryChange, committed: readonly Committed[]): void {
    const last = committed.at(-1);
    if (!last) return;
    this.mirror.apply(change);
    this.feed.advance(last.sequence);
    for (const entry of committed) this.events.emit(entry);
  }

  /** What is committed is committed, whatever comes of this: whoever took it for failed would remove its files. */
  async #intoTree(apply: () => void | Promise<void>): Promise<void> {
    try {
      await apply();
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      this.logger.error({ err: error }, 'a committed change did not fit the tree, which is read anew');
      this.#inDoubt = true;
      await this.#settle().catch(() => this.#settleLater());
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
