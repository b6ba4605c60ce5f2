import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/scope.js';
import { ReadinessCheck, type Readiness } from './readiness.js';

@Controller('health')
export class HealthController {
  readonly #readiness: ReadinessCheck;

  constructor(readiness: ReadinessCheck) {
    this.#readiness = readiness;
  }

  /** The process answers. */
  @Get('live')
  @Public()
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  /** 503 while requests for inference can't be served. */
  @Get('ready')
  @Public()
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.#readiness.check();
    void reply.status(readiness.status === 'ready' ? 200 : 503);
    return readiness;
  }
}
