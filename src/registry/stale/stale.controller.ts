import { Controller, Get, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { pageSchema, type Page } from '../dto/page.js';
import { listStaleQuery, staleNodeSchema, type ListStale, type StaleNodeDto } from './stale.dto.js';
import { StaleService } from './stale.service.js';

@Controller('api/v1/stale')
export class StaleController {
  constructor(private readonly stale: StaleService) {}

  @Get()
  @RequireScope('read')
  @Answers("Lists the nodes whose parent's head moved on since their own was trained.", {
    200: pageSchema(staleNodeSchema),
  })
  list(
    @Context() context: RequestContext,
    @Query({ schema: listStaleQuery }) query: ListStale,
  ): Promise<Page<StaleNodeDto>> {
    return this.stale.list(context, query);
  }
}
