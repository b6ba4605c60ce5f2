import { Args, Mutation, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { gcBody, type GcReport } from '../../registry/gc/gc.dto.js';
import { GcService } from '../../registry/gc/gc.service.js';
import { parse, withoutNulls } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

@Resolver()
export class GarbageResolver {
  constructor(private readonly service: GcService) {}

  @Mutation()
  @RequireScope('admin')
  gc(@Context() context: RequestContext, @Args('input') input?: object | null): Promise<Result<GcReport>> {
    return outcome({ payload: 'GarbageReport' }, () =>
      this.service.collect(context, parse(gcBody, withoutNulls(input ?? {}))),
    );
  }
}
