import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { pageSchema, type Page } from '../dto/page.js';
import { listRedirectsQuery, redirectSchema, type ListRedirects, type RedirectDto } from './redirect.dto.js';
import { RedirectsService } from './redirects.service.js';

@Controller('api/v1/redirects')
export class RedirectsController {
  constructor(private readonly redirects: RedirectsService) {}

  @Get()
  @RequireScope('read')
  @Answers('Lists the old paths of nodes that moved, the oldest first.', {
    200: pageSchema(redirectSchema),
  })
  list(
    @Context() context: RequestContext,
    @Query({ schema: listRedirectsQuery }) query: ListRedirects,
  ): Promise<Page<RedirectDto>> {
    return this.redirects.list(context, query);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScope('write')
  @Answers('Drops a redirect: its old path leads nowhere then, and the name is free.', { 204: null })
  drop(@Context() context: RequestContext, @Param('id') id: string): Promise<void> {
    return this.redirects.drop(context, id);
  }
}
