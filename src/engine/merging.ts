/**
 * Merges of an engine process: one after the other, within a budget of bytes, each beside the rows that run.
 *
 * A merge that doesn't fit waits for lanes that are on their way out, and is refused with the numbers where there are
 * none. It is called off when its path is unmerged or its model unloaded meanwhile.
 */
import { EspalierError, reasonsOf } from '../errors/espalier-error.js';
import { MergedBudgetExceededError, MergeFailedError } from '../errors/merges.js';
import type { EngineEvent, MergeRequest } from './protocol.js';
import type { MergedModel, ServedModel } from './served-model.js';

export interface MergeSite {
  /** Loads the base if need be. Throws why it can't be. */
  model(request: MergeRequest): Promise<ServedModel>;
  /** Puts the lane beside the others, between steps. False: the base is gone, or the merge was called off. */
  add(request: MergeRequest, merged: MergedModel, signal: AbortSignal): Promise<boolean>;
  /** Whether a lane that gives its memory back soon is there. */
  isDraining(): boolean;
  emit(event: EngineEvent): void;
}

export class Merging {
  readonly limitBytes: number;
  readonly #site: MergeSite;
  readonly #underWay = new Map<string, { request: MergeRequest; abort: AbortController; done: Promise<void> }>();
  #usedBytes = 0;
  #queue: Promise<void> = Promise.resolve();
  #freed: (() => void) | null = null;

  constructor(limitBytes: number, site: MergeSite) {
    this.limitBytes = limitBytes;
    this.#site = site;
  }

  /** Of merged lanes, and of the one that is being made. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Ends in `merged` or `mergeFailed`, or in nothing where it is called off. */
  start(request: MergeRequest): void {
    if (this.#underWay.has(request.pathDigest)) return;
    const abort = new AbortController();
    const done = this.#queue.then(() => this.#run(request, abort.signal));
    this.#underWay.set(request.pathDigest, { request, abort, done });
    this.#queue = done;
  }

  /** False: none is under way. */
  callOff(pathDigest: string): boolean {
    const merge = this.#underWay.get(pathDigest);
    if (merge === undefined) return false;
    this.#underWay.delete(pathDigest);
    merge.abort.abort();
    this.#freed?.();
    return true;
  }

  /** Calls off the merges of a model, or all, and resolves when nothing of them runs any more. */
  async stop(baseDigest?: string): Promise<void> {
    const stopped = [...this.#underWay.values()].filter(
      ({ request }) => baseDigest === undefined || request.model.digest === baseDigest,
    );
    for (const { request } of stopped) this.callOff(request.pathDigest);
    await Promise.all(stopped.map(({ done }) => done));
  }

  /** A lane has given its memory back. */
  free(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#freed?.();
  }

  async #run(request: MergeRequest, signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    const { pathDigest } = request;
    try {
      const merged = await this.#merge(request, signal);
      if (await this.#site.add(request, merged, signal)) {
        const seconds = (performance.now() - startMs) / 1000;
        this.#site.emit({ type: 'merged', pathDigest, bytes: merged.bytes, seconds });
      } else {
        await merged.release();
        this.free(merged.bytes);
      }
    } catch (cause) {
      if (signal.aborted) return;
      const error = (cause instanceof EspalierError ? cause : new MergeFailedError(cause)).toShape();
      this.#site.emit({ type: 'mergeFailed', pathDigest, error, reason: reasonsOf(cause) });
    } finally {
      if (this.#underWay.get(pathDigest)?.abort.signal === signal) this.#underWay.delete(pathDigest);
    }
  }

  async #merge(request: MergeRequest, signal: AbortSignal): Promise<MergedModel> {
    signal.throwIfAborted();
    const model = await unlessAborted(this.#site.model(request), signal);
    const bytes = model.mergedBytes;
    await this.#claim(bytes, signal);
    try {
      const merged = await model.merge(request.adapters, signal);
      this.free(bytes - merged.bytes);
      return merged;
    } catch (error) {
      this.free(bytes);
      throw error;
    }
  }

  async #claim(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.#usedBytes + bytes > this.limitBytes) {
      if (!this.#site.isDraining()) throw new MergedBudgetExceededError(bytes, this.#usedBytes, this.limitBytes);
      await new Promise<void>((resolve) => (this.#freed = resolve));
      this.#freed = null;
      signal.throwIfAborted();
    }
    this.#usedBytes += bytes;
  }
}

/** Rejects with the signal's reason as soon as it is aborted: work that waits for others must not hold up an end. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
