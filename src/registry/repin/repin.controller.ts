import { Body, Controller, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { repinBody, repinnedSchema, type Repin, type RepinnedDto } from './repin.dto.js';
import { RepinService } from './repin.service.js';

@Controller('api/v1/nodes/:node/repin')
export class RepinController {
  constructor(private readonly repins: RepinService) {}

  @Post()
  @RequireScope('promote')
  @Answers("Accepts a node's adapter on its parent's present head, as a new revision.", {
    200: repinnedSchema,
    201: repinnedSchema,
  })
  async repin(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: repinBody }) body: Repin,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RepinnedDto> {
    const repinned = await this.repins.repin(context, node, body, version);
    void reply.status(repinned.outcome === 'created' ? 201 : 200);
    return repinned;
  }
}
