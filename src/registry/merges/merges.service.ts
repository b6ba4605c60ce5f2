/** Paths that are pinned to be merged: made, listed, undone. `MergedPaths` sees to their lanes. */
import { Inject, Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { RequestContext } from '../../access/request-context.js';
import type { Caller } from '../../access/scope.js';
import { CONFIG, type Config } from '../../config.js';
import { MergedBudgetExceededError, MergeNotFoundError, NothingToMergeError } from '../../errors/merges.js';
import { formatPath, parsePath } from '../../tree/path.js';
import { cursorKey, toPage, type Page, type PageQuery } from '../dto/page.js';
import { isVisible } from '../node-lookup.js';
import { RegistryService } from '../registry.service.js';
import { RegistryWrites, unchanged } from '../registry-writes.js';
import { TreeMirror } from '../tree-mirror.js';
import { addsToBase } from './adds-to-base.js';
import type { MergePin } from './merge-pin.js';
import type { MergeDto, MergePath } from './merge.dto.js';
import { MergedPaths } from './merged-paths.js';

export interface Pinned {
  merge: MergeDto;
  isNew: boolean;
}

@Injectable()
export class MergesService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly registry: RegistryService,
    private readonly writes: RegistryWrites,
    private readonly merged: MergedPaths,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Pins the path, on all instances and for good. One that is pinned and failed is tried again. */
  async pin(context: RequestContext, { path: asked }: MergePath): Promise<Pinned> {
    const pinned = await this.writes.commit(context, async (transaction) => {
      const resolved = this.registry.resolve(context, asked);
      const { path, steps } = resolved;
      const nodeId = steps.at(-1)?.nodeId;
      if (nodeId === undefined || !addsToBase(resolved)) throw new NothingToMergeError(path);
      const known = this.mirror.mergePins().find((pin) => pin.path === path);
      if (known) return unchanged({ pin: known, digest: resolved.digest, isNew: false });
      this.#refuseOverBudget(this.merged.pinnedBytes(resolved), this.merged.laneBytes(resolved));
      const pin = await transaction.mergePin.create({ data: { id: ulid(), path, nodeId } });
      return {
        result: { pin, digest: resolved.digest, isNew: true },
        change: { mergePins: [{ id: pin.id, pin }] },
        audit: [
          {
            action: 'merge.pin',
            nodeId,
            path: this.mirror.tree.pathOf(nodeId),
            before: null,
            after: { merge: pin.id, path },
          },
        ],
      };
    });
    if (!pinned.isNew) this.merged.retry(pinned.digest);
    return { merge: this.#view(pinned.pin), isNew: pinned.isNew };
  }

  /** By id or path. Answers what it was. */
  unpin(context: RequestContext, idOrPath: string): Promise<MergeDto> {
    return this.writes.commit(context, async (transaction) => {
      const pin = this.#find(context, idOrPath);
      const { id, path, nodeId } = pin;
      const { tree } = this.mirror;
      const result = this.#view(pin);
      await transaction.mergePin.delete({ where: { id } });
      return {
        result,
        change: { mergePins: [{ id, pin: null }] },
        audit: [
          {
            action: 'merge.unpin',
            nodeId,
            path: tree.node(nodeId) ? tree.pathOf(nodeId) : null,
            before: { merge: id, path },
            after: null,
          },
        ],
      };
    });
  }

  find(context: RequestContext, idOrPath: string): MergeDto {
    return this.#view(this.#find(context, idOrPath));
  }

  /** By path; those that are merged for their traffic on this instance too. */
  list({ caller }: RequestContext, { limit, cursor }: PageQuery): Page<MergeDto> {
    const after = cursorKey(cursor, /^[a-z0-9][a-z0-9._:@/+-]*$/);
    const pins = this.mirror.mergePins().map((pin) => this.#view(pin));
    const rows = [...pins, ...this.#automatic()]
      .filter(({ nodeId, path }) => this.#isShown(caller, nodeId) && (after === null || path > after))
      .sort((one, other) => (one.path < other.path ? -1 : 1))
      .slice(0, limit + 1);
    return toPage(
      rows,
      limit,
      ({ path }) => path,
      (row) => row,
    );
  }

  #automatic(): MergeDto[] {
    return this.merged.automatic().map(({ resolved: { path, steps }, sinceMs, status }) => ({
      id: null,
      path,
      nodeId: steps.at(-1)?.nodeId ?? '',
      pinned: false,
      ...status,
      createdAt: new Date(sinceMs).toISOString(),
    }));
  }

  #find({ caller }: RequestContext, idOrPath: string): MergePin {
    const pins = this.mirror.mergePins();
    const pin = pins.find(({ id }) => id === idOrPath) ?? pins.find(({ path }) => path === canonical(idOrPath));
    if (!pin || !this.#isShown(caller, pin.nodeId)) throw new MergeNotFoundError(idOrPath);
    return pin;
  }

  /** What was pinned and then deleted, those see who see everything. */
  #isShown(caller: Caller, nodeId: string): boolean {
    return caller.subtree === null || isVisible(this.mirror.tree, caller, nodeId);
  }

  #refuseOverBudget(pinnedBytes: number, laneBytes: number): void {
    const { mergedBudgetBytes: budget } = this.config.engine;
    if (pinnedBytes > budget) throw new MergedBudgetExceededError(laneBytes, pinnedBytes - laneBytes, budget);
  }

  #view(pin: MergePin): MergeDto {
    const { id, path, nodeId, createdAt } = pin;
    return { id, path, nodeId, pinned: true, ...this.merged.status(pin), createdAt: createdAt.toISOString() };
  }
}

/** Ids are in capitals, which no path has: they are left as they are. */
function canonical(idOrPath: string): string {
  return /^[0-9A-Z]{26}$/.test(idOrPath) ? idOrPath : formatPath(parsePath(idOrPath));
}
