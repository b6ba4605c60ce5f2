import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../logger.js';
import { errorBody } from './error-body.js';
import { asEspalierError } from './known-errors.js';

/** Answers everything that was thrown, and logs what isn't the caller's fault. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = asEspalierError(thrown, request);
    if (error.status >= 500) this.#logger.error({ err: error.cause ?? error, requestId: request.id }, error.code);
    // Headers have left: a stream that fails midway has told its client itself.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', error.retryAfterSeconds);
    if (error.status === 401) void reply.header('www-authenticate', 'Bearer');
    void reply.status(error.status).send(errorBody(error));
  }
}
