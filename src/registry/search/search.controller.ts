import { Controller, Get, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { pageSchema, type Page } from '../dto/page.js';
import { foundNodeSchema, searchQuery, type FoundNodeDto, type Search } from './search.dto.js';
import { SearchService } from './search.service.js';

@Controller('api/v1/search')
export class SearchController {
  constructor(private readonly searches: SearchService) {}

  @Get()
  @RequireScope('read')
  @Answers('Finds nodes by text, tags, metrics, staleness and age. A page may be short, and go on all the same.', {
    200: pageSchema(foundNodeSchema),
  })
  search(
    @Context() context: RequestContext,
    @Query({ schema: searchQuery }) search: Search,
  ): Promise<Page<FoundNodeDto>> {
    return this.searches.search(context, search);
  }
}
