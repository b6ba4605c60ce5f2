import { Args, Query, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { CompareService } from '../../registry/compare/compare.service.js';
import { compareQuery, type ComparisonDto } from '../../registry/compare/comparison.dto.js';
import { parse } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

@Resolver()
export class ComparisonResolver {
  constructor(private readonly service: CompareService) {}

  @Query()
  @RequireScope('read')
  compare(
    @Context() context: RequestContext,
    @Args() { left, right }: { left: string; right: string },
  ): Promise<Result<ComparisonDto>> {
    return outcome({ payload: 'Comparison' }, () =>
      this.service.compare(context, parse(compareQuery, { left, right })),
    );
  }
}
