/**
 * Versions of what may change, as HTTP has them (RFC 9110, 8.8.3 and 13.1.1): answers with a `version` carry it as their
 * ETag, and a change with If-Match is made only where the version is still that one.
 */
import {
  createParamDecorator,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { z } from 'zod';
import { InvalidRequestError } from '../errors/requests.js';

const TAG = /^(?:"(\d{1,9})"|(\d{1,9}))$/;

/** As the description of the interface has it. */
export const ifMatchSchema = z.string().regex(/^("\d{1,9}"|\d{1,9}|\*)$/);

export function readIfMatch(_data: unknown, context: ExecutionContext): number | undefined {
  return expectedVersion(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']);
}

/** On a parameter: the version that the caller has seen; undefined where it doesn't say, or says `*`. */
export const IfMatch = createParamDecorator(readIfMatch);

export function expectedVersion(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = TAG.exec(header.trim());
  if (!match) {
    throw new InvalidRequestError('If-Match takes one version, as the ETag of an answer gives it: "3".', 'if-match');
  }
  return Number(match[1] ?? match[2]);
}

@Injectable()
export class VersionTag implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType<string>() !== 'http') return next.handle();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((answer: unknown) => {
        const version = (answer as { version?: unknown } | null | undefined)?.version;
        if (typeof version === 'number' && !reply.sent) void reply.header('etag', `"${version}"`);
        return answer;
      }),
    );
  }
}
