import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Public } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import { ReadinessCheck, readinessSchema, type Readiness } from './readiness.js';

const liveSchema = z.object({ status: z.literal('live') });

@Controller('health')
export class HealthController {
  readonly #readiness: ReadinessCheck;

  constructor(readiness: ReadinessCheck) {
    this.#readiness = readiness;
  }

  /** The process answers. */
  @Get('live')
  @Public()
  @Answers('Says that the process answers.', { 200: liveSchema })
  live(): z.infer<typeof liveSchema> {
    return { status: 'live' };
  }

  /** 503 while requests for inference can't be served. */
  @Get('ready')
  @Public()
  @Answers('Says whether inference can be served, and if not, why.', {
    200: readinessSchema,
    503: readinessSchema,
  })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.#readiness.check();
    void reply.status(readiness.status === 'ready' ? 200 : 503);
    return readiness;
  }
}
