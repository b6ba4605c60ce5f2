import { Body, Controller, Get, Param, Post, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers, json, multipart } from '../http/answers.js';
import { IfMatch } from '../http/version-tag.js';
import {
  pushedRevisionSchema,
  pushFolderBody,
  pushForm,
  pushHubBody,
  revisionSchema,
  revisionTagsBody,
  revisionWithCardSchema,
  type PushedRevisionDto,
  type RevisionDto,
  type RevisionTags,
  type RevisionWithCardDto,
} from './dto/revision.dto.js';
import { PushSources } from './push-sources.js';
import { RevisionsService } from './revisions.service.js';
import { RevisionTagsService } from './revision-tags.service.js';

@Controller('api/v1/revisions')
export class RevisionsController {
  constructor(
    private readonly revisions: RevisionsService,
    private readonly tags: RevisionTagsService,
    private readonly sources: PushSources,
  ) {}

  /** JSON that names a folder or a repository of the hub, or a form with the files. */
  @Post()
  @RequireScope('write')
  @Answers(
    'Pushes a PEFT adapter as a revision: its files, a folder on the machine of the service, or a repository of the Hugging Face hub.',
    { 200: pushedRevisionSchema, 201: pushedRevisionSchema },
    { takes: [json(pushFolderBody.or(pushHubBody)), multipart(pushForm)] },
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

  @Get(':id')
  @RequireScope('read')
  @Answers('Shows a revision, with its card.', { 200: revisionWithCardSchema })
  get(@Context() context: RequestContext, @Param('id') id: string): Promise<RevisionWithCardDto> {
    return this.revisions.get(context, id);
  }

  @Put(':id/tags')
  @RequireScope('write')
  @Answers('Sets the tags of a revision, in place of those that it has.', { 200: revisionSchema })
  setTags(
    @Context() context: RequestContext,
    @Param('id') id: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: revisionTagsBody }) body: RevisionTags,
  ): Promise<RevisionDto> {
    return this.tags.set(context, id, body, version);
  }
}
