import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EspalierError } from '../errors/espalier-error.js';
import { InternalError, MethodNotAllowedError } from '../errors/requests.js';
import type { Logger } from '../logger.js';
import { errorBody } from './error-body.js';
import { asEspalierError } from './known-errors.js';

/**
 * Answers everything that was thrown, and logs what isn't the caller's fault. To GraphQL, which answers by itself, it
 * hands the error back.
 */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(thrown: unknown, host: ArgumentsHost): unknown {
    if (host.getType<'http' | 'graphql'>() === 'graphql') return this.#forGraphql(thrown, host);
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = asEspalierError(thrown, request);
    this.#log(error, request.id);
    // Headers have left: a stream that fails midway has told its client itself.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return undefined;
    }
    if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', error.retryAfterSeconds);
    if (error instanceof MethodNotAllowedError) void reply.header('allow', error.allowed.join(', '));
    if (error.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply.status(error.status).send(errorBody(error));
    return undefined;
  }

  /** An error that a resolver returns is one that it threw. */
  #forGraphql(thrown: unknown, host: ArgumentsHost): EspalierError {
    const [, , { req }] = host.getArgs<[unknown, unknown, { req: { id: string } }]>();
    const error = thrown instanceof EspalierError ? thrown : new InternalError(req.id, thrown);
    this.#log(error, req.id);
    return error;
  }

  #log(error: EspalierError, requestId: string): void {
    if (error.status >= 500) this.#logger.error({ err: error.cause ?? error, requestId }, error.code);
  }
}
