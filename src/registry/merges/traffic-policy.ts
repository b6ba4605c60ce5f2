/**
 * Which paths to merge for their traffic, within what pins leave of the memory.
 *
 * A merge costs seconds, so a path enters at a larger share than the one that it leaves at, stays for a while whatever
 * happens, and is put out by another only if that one has clearly more.
 */
import type { SharedPath } from './path-traffic.js';

/** Share of the requests at which a path is merged, and below which it isn't any more. */
const ENTER = 0.15;
const LEAVE = 0.05;
/** Requests before which a share means little. */
const MIN_REQUESTS = 20;
const MIN_STAY_MS = 60_000;
/** How many times the share of one that is merged another must have to take its place. */
const CLEARLY = 1.5;

export interface TrafficView {
  /** The most asked for first; without those that are pinned. */
  paths: readonly SharedPath[];
  /** Since when a path is merged for its traffic, by path digest. */
  since: ReadonlyMap<string, number>;
  /** Of a merged lane of the path's model. */
  bytes: (path: SharedPath) => number;
  /** What pins leave. */
  freeBytes: number;
  nowMs: number;
}

/** The paths that are to be merged, those that stay included. */
export function mergedForTraffic({ paths, since, bytes, freeBytes, nowMs }: TrafficView): SharedPath[] {
  const isYoung = ({ resolved }: SharedPath) => nowMs - (since.get(resolved.digest) ?? -Infinity) < MIN_STAY_MS;
  const isMerged = ({ resolved }: SharedPath) => since.has(resolved.digest);
  let left = freeBytes;
  const chosen: SharedPath[] = [];
  const take = (path: SharedPath) => {
    left -= bytes(path);
    chosen.push(path);
  };
  for (const path of paths) {
    const stays = isMerged(path) && (isYoung(path) || path.share >= LEAVE);
    if (stays && bytes(path) <= left) take(path);
  }
  for (const path of paths) {
    if (isMerged(path) || path.share < ENTER || path.requests < MIN_REQUESTS) continue;
    if (bytes(path) <= left) {
      take(path);
      continue;
    }
    const weakest = chosen.filter((other) => isMerged(other) && !isYoung(other)).at(-1);
    if (weakest === undefined || path.share < CLEARLY * weakest.share) continue;
    if (bytes(path) > left + bytes(weakest)) continue;
    chosen.splice(chosen.indexOf(weakest), 1);
    left += bytes(weakest);
    take(path);
  }
  return chosen;
}
