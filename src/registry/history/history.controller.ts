import { Controller, Get, Param, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from '../dto/page.js';
import { headMoveSchema, type HeadMoveDto } from './history.dto.js';
import { HistoryService } from './history.service.js';

@Controller('api/v1/nodes/:node/history')
export class HistoryController {
  constructor(private readonly history: HistoryService) {}

  @Get()
  @RequireScope('read')
  @Answers('Lists how the head of a node has moved, newest first.', { 200: pageSchema(headMoveSchema) })
  list(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @Query({ schema: pageQuery }) page: PageQuery,
  ): Promise<Page<HeadMoveDto>> {
    return this.history.list(context, node, page);
  }
}
