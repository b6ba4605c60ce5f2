import type { FastifyInstance } from 'fastify';
import { InvalidApiKeyError } from '../errors/access.js';
import { RouteNotFoundError } from '../errors/requests.js';
import { path } from '../http/known-errors.js';
import type { ApiKeys } from './api-keys.js';
import type { RateLimits } from './rate-limits.js';

const BEARER = /^Bearer +(\S+) *$/i;

/** The key in a header `Authorization`. */
export function bearerKey(header: string | undefined): string | undefined {
  return BEARER.exec(header ?? '')?.[1];
}

/** Finds out who calls before any of the body is read, so that strangers can't make the service read and parse. */
export function authenticateRequests(fastify: FastifyInstance, keys: ApiKeys, limits: RateLimits): void {
  fastify.addHook('onRequest', async (request, reply) => {
    if (request.is404) throw new RouteNotFoundError(request.method, path(request));
    if (request.routeOptions.config.public === true) return;
    const key = bearerKey(request.headers.authorization);
    const caller = key === undefined ? null : await keys.callerOf(key);
    if (!caller) throw new InvalidApiKeyError(key !== undefined);
    request.caller = caller;
    await limits.countRequest(caller, reply);
  });
}
