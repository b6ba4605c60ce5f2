import type { FastifyReply } from 'fastify';
import type { ServedModel } from './served-models.js';

/** Says which path digests an answer is served with; `GET /api/v1/paths/:digest` tells what they stand for. */
export function namePath(reply: FastifyReply, models: readonly Pick<ServedModel, 'resolved'>[]): void {
  void reply.header('x-espalier-path-digest', models.map(({ resolved }) => resolved.digest).join(', '));
}
