import type { LoggerService } from '@nestjs/common';
import type { Logger } from '../logger.js';

/** Nest's own messages, in our log. What it says of its start is for debugging only. */
export class NestLog implements LoggerService {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  log(message: unknown, context?: string): void {
    this.#logger.debug({ context }, text(message));
  }

  warn(message: unknown, context?: string): void {
    this.#logger.warn({ context }, text(message));
  }

  error(message: unknown, stack?: string, context?: string): void {
    this.#logger.error({ context, stack }, text(message));
  }

  debug(message: unknown, context?: string): void {
    this.#logger.debug({ context }, text(message));
  }

  verbose(message: unknown, context?: string): void {
    this.#logger.trace({ context }, text(message));
  }
}

function text(message: unknown): string {
  return message instanceof Error ? (message.stack ?? message.message) : String(message);
}
