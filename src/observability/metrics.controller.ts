import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../access/scope.js';
import { Answers, text } from '../http/answers.js';
import { Metrics } from './metrics.js';

@Controller('metrics')
export class MetricsController {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Names paths, so it isn't public. */
  @Get()
  @RequireScope('metrics')
  @Answers('What Prometheus reads, in its format.', { 200: text() })
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.header('content-type', this.#metrics.registry.contentType);
    return this.#metrics.registry.metrics();
  }
}
