import { Controller, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers, json, multipart } from '../http/answers.js';
import { pushedRevisionSchema, pushFolderBody, pushForm, type PushedRevisionDto } from './dto/revision.dto.js';
import { PushSources } from './push-sources.js';
import { RevisionsService } from './revisions.service.js';

@Controller('api/v1/revisions')
export class RevisionsController {
  constructor(
    private readonly revisions: RevisionsService,
    private readonly sources: PushSources,
  ) {}

  /** JSON that names a folder, or a form with the two files. */
  @Post()
  @RequireScope('write')
  @Answers(
    'Pushes a PEFT adapter as a revision: its two files, or a folder on the machine of the service.',
    { 200: pushedRevisionSchema, 201: pushedRevisionSchema },
    { takes: [json(pushFolderBody), multipart(pushForm)] },
  )
  async push(
    @Context() context: RequestContext,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PushedRevisionDto> {
    const pushed = await this.revisions.push(context, this.sources.ofRequest(request));
    void reply.status(pushed.unchanged ? 200 : 201);
    return pushed;
  }
}
