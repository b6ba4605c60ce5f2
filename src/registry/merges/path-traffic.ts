/**
 * Which share of the requests each path has had lately: counts that halve every few minutes, by path digest. What adds
 * nothing to its base isn't counted, but counts as traffic.
 */
import { Injectable } from '@nestjs/common';
import type { ResolvedPath } from '../../tree/resolved-path.js';
import { addsToBase } from './adds-to-base.js';

const HALF_LIFE_MS = 5 * 60_000;
/** Beyond, the least asked for are forgotten. */
const MAX_PATHS = 2_000;

export interface SharedPath {
  resolved: ResolvedPath;
  /** Of all requests, 0 to 1. */
  share: number;
  /** Requests, as far as they count still. */
  requests: number;
}

interface Counted {
  resolved: ResolvedPath;
  count: number;
  atMs: number;
}

@Injectable()
export class PathTraffic {
  readonly #paths = new Map<string, Counted>();
  readonly #all = { count: 0, atMs: 0 };

  note(resolved: ResolvedPath, nowMs = Date.now()): void {
    add(this.#all, nowMs);
    if (!addsToBase(resolved)) return;
    const known = this.#paths.get(resolved.digest) ?? { resolved, count: 0, atMs: nowMs };
    this.#paths.set(resolved.digest, known);
    known.resolved = resolved;
    add(known, nowMs);
    if (this.#paths.size > 2 * MAX_PATHS) this.#forget(nowMs);
  }

  /** The most asked for first. */
  shares(nowMs = Date.now()): SharedPath[] {
    const all = counted(this.#all, nowMs);
    if (all === 0) return [];
    return [...this.#paths.values()]
      .map((path) => ({ resolved: path.resolved, requests: counted(path, nowMs) }))
      .map(({ resolved, requests }) => ({ resolved, requests, share: requests / all }))
      .sort((one, other) => other.requests - one.requests);
  }

  #forget(nowMs: number): void {
    for (const { resolved } of this.shares(nowMs).slice(MAX_PATHS)) this.#paths.delete(resolved.digest);
  }
}

function add(counter: { count: number; atMs: number }, nowMs: number): void {
  counter.count = counted(counter, nowMs) + 1;
  counter.atMs = nowMs;
}

function counted({ count, atMs }: { count: number; atMs: number }, nowMs: number): number {
  return count * 0.5 ** (Math.max(0, nowMs - atMs) / HALF_LIFE_MS);
}
