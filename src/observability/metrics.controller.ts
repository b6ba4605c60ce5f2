import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../access/scope.js';
import { Metrics } from './metrics.js';

@Controller('metrics')
export class MetricsController {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Names paths, so it isn't public. */
  @Get()
  @RequireScope('admin')
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.header('content-type', this.#metrics.registry.contentType);
    return this.#metrics.registry.metrics();
  }
}
