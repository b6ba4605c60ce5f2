import { Controller, Get, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { CompareService } from './compare.service.js';
import { compareQuery, comparisonSchema, type CompareQuery, type ComparisonDto } from './comparison.dto.js';

@Controller('api/v1/compare')
@RequireScope('read')
export class CompareController {
  constructor(private readonly comparisons: CompareService) {}

  @Get()
  @Answers('Two nodes or revisions side by side.', { 200: comparisonSchema })
  compare(
    @Context() context: RequestContext,
    @Query({ schema: compareQuery }) query: CompareQuery,
  ): Promise<ComparisonDto> {
    return this.comparisons.compare(context, query);
  }
}
