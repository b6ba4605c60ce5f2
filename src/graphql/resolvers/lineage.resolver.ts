import { Args, Query, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { LineageDto } from '../../registry/lineage/lineage.dto.js';
import { LineageService } from '../../registry/lineage/lineage.service.js';
import { outcome, type Result } from '../outcome.js';

@Resolver()
export class LineageResolver {
  constructor(private readonly service: LineageService) {}

  @Query()
  @RequireScope('read')
  lineage(@Context() context: RequestContext, @Args('node') node: string): Promise<Result<LineageDto>> {
    return outcome({ payload: 'Lineage' }, () => this.service.get(context, node));
  }
}
