/**
 * Keeps what each path digest stood for when it was first served. Serving never waits for it: new digests are noted in
 * memory and written together a moment later, and a look-up writes what is still noted before it reads.
 */
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Database } from '../database/database.js';
import { ServedPathNotFoundError } from '../errors/paths.js';
import { LOGGER, type Logger } from '../logger.js';
import type { ResolvedPath } from '../tree/resolved-path.js';
import type { RequestContext } from '../access/request-context.js';
import { isVisible } from './node-lookup.js';
import { TreeMirror } from './tree-mirror.js';
import { servedSteps, toServedPathDto, type ServedPathDto } from './dto/resolution.dto.js';

const DIGEST = /^[0-9a-f]{64}$/;

const WRITE_AFTER_MS = 200;
/** Past it, digests are forgotten to be known and at worst written again, which changes nothing. */
const REMEMBERED = 100_000;
/** What waits to be written while the database is away. */
const MAX_NOTED = 10_000;

@Injectable()
export class ServingRecord implements OnApplicationShutdown {
  readonly #database: Database;
  readonly #mirror: TreeMirror;
  readonly #logger: Logger;
  readonly #known = new LRUCache<string, true>({ max: REMEMBERED });
  #noted = new Map<string, ResolvedPath>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(database: Database, mirror: TreeMirror, @Inject(LOGGER) logger: Logger) {
    this.#database = database;
    this.#mirror = mirror;
    this.#logger = logger;
  }

  note(resolved: ResolvedPath): void {
    if (this.#known.has(resolved.digest) || this.#noted.size >= MAX_NOTED) return;
    this.#known.set(resolved.digest, true);
    this.#noted.set(resolved.digest, resolved);
    this.#timer ??= setTimeout(() => void this.#writeSoon(), WRITE_AFTER_MS).unref();
  }

  /** To those alone who can see the node that was served. */
  async find({ caller }: RequestContext, digest: string): Promise<ServedPathDto> {
    if (!DIGEST.test(digest)) throw new ServedPathNotFoundError(digest);
    await this.write();
    const row = await this.#database.client.servedPath.findUnique({ where: { digest } });
    const { tree } = this.#mirror;
    const { subtree } = caller;
    if (!row || (subtree !== null && (row.nodeId === null || !isVisible(tree, caller, row.nodeId)))) {
      throw new ServedPathNotFoundError(digest);
    }
    return toServedPathDto(row, subtree === null ? 0 : tree.pathOf(subtree).split('/').length - 1);
  }

  /** Writes what is noted. What could not be written stays noted. */
  write(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeNoted());
    return this.#writing;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#writeSoon();
  }

  async #writeNoted(): Promise<void> {
    const noted = this.#noted;
    if (noted.size === 0) return;
    this.#noted = new Map();
    try {
      await this.#database.client.servedPath.createMany({
        data: [...noted.values()].map((resolved) => ({
          digest: resolved.digest,
          path: resolved.path,
          modelName: resolved.model.name,
          baseDigest: resolved.model.digest,
          nodeId: resolved.steps.at(-1)?.nodeId ?? this.#mirror.tree.modelById(resolved.model.id)?.rootNodeId ?? null,
          steps: servedSteps(resolved),
        })),
        skipDuplicates: true,
      });
    } catch (error) {
      this.#noted = new Map([...noted, ...this.#noted]);
      throw error;
    }
  }

  async #writeSoon(): Promise<void> {
    try {
      await this.write();
    } catch (error) {
      this.#logger.warn({ err: error }, 'served paths are not recorded yet');
      this.#timer ??= setTimeout(() => void this.#writeSoon(), WRITE_AFTER_MS * 25).unref();
    }
  }
}
