/** Lets pages of some other origins read answers. Without any, browsers keep all of them from it. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

const DAY_S = 24 * 60 * 60;

/** Has to come before whatever asks for a key: browsers send none when they ask whether they may. */
export async function allowOrigins(fastify: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await fastify.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'if-match', 'if-none-match', 'range', 'x-request-id'],
    exposedHeaders: [
      'content-disposition',
      'etag',
      'location',
      'retry-after',
      'x-espalier-path',
      'x-espalier-path-digest',
      'x-ratelimit-limit-requests',
      'x-ratelimit-limit-tokens',
      'x-ratelimit-remaining-requests',
      'x-ratelimit-remaining-tokens',
      'x-ratelimit-reset-requests',
      'x-ratelimit-reset-tokens',
      'x-request-id',
    ],
    maxAge: DAY_S,
  });
}
