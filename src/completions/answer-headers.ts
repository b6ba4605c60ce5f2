import type { FastifyReply } from 'fastify';
import type { Config } from '../config.js';
import type { EngineClient } from '../engine/engine-client.js';
import type { ResolvedPath } from '../tree/resolved-path.js';

/**
 * Says which path digests an answer is served with; `GET /api/v1/paths/:digest` tells what they stand for. And where the
 * paths lie now, if one was asked for by an old name.
 */
export function namePaths(reply: FastifyReply, paths: readonly ResolvedPath[]): void {
  void reply.header('x-espalier-path-digest', paths.map(({ digest }) => digest).join(', '));
  if (paths.every(({ redirectedFrom }) => redirectedFrom === null)) return;
  void reply.header('x-espalier-path', paths.map(({ path }) => path).join(', '));
}

/**
 * How many requests the engine takes, and how many more now, by statistics that are a second old at the most. A key with
 * a limit of its own has been told that.
 */
export function tellCapacity(reply: FastifyReply, engine: EngineClient, { engine: limits }: Config): void {
  if (reply.hasHeader('x-ratelimit-limit-requests')) return;
  const limit = limits.maxRows + limits.maxWaiting;
  const used = engine.stats ? engine.stats.running + engine.stats.waiting : 0;
  void reply
    .header('x-ratelimit-limit-requests', limit)
    .header('x-ratelimit-remaining-requests', Math.max(limit - used, 0));
}
