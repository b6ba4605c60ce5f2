import { Body, Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from '../dto/page.js';
import { mergeBody, mergeSchema, type MergeDto, type MergePath } from './merge.dto.js';
import { MergesService } from './merges.service.js';

@Controller('api/v1/merges')
export class MergesController {
  constructor(private readonly merges: MergesService) {}

  @Get()
  @RequireScope('read')
  @Answers('Lists the paths that are merged into weights of their own, by path.', { 200: pageSchema(mergeSchema) })
  list(@Context() context: RequestContext, @Query({ schema: pageQuery }) page: PageQuery): Page<MergeDto> {
    return this.merges.list(context, page);
  }

  @Get(':merge')
  @RequireScope('read')
  @Answers('Shows how far the merge of a pinned path is, which is named by id or path.', { 200: mergeSchema })
  find(@Context() context: RequestContext, @Param('merge') merge: string): MergeDto {
    return this.merges.find(context, merge);
  }

  @Post()
  @RequireScope('admin')
  @Answers('Pins a path to be merged into weights of its own; one that is pinned and failed is tried again.', {
    200: mergeSchema,
    201: mergeSchema,
  })
  async pin(
    @Context() context: RequestContext,
    @Body({ schema: mergeBody }) body: MergePath,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MergeDto> {
    const { merge, isNew } = await this.merges.pin(context, body);
    void reply.status(isNew ? 201 : 200);
    return merge;
  }

  @Delete(':merge')
  @RequireScope('admin')
  @Answers('Unpins a path, which is named by id or path, and shows what it was: it is served factored from then on.', {
    200: mergeSchema,
  })
  unpin(@Context() context: RequestContext, @Param('merge') merge: string): Promise<MergeDto> {
    return this.merges.unpin(context, merge);
  }
}
