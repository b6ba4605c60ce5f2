import { Args, Query, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { resolveQuery, type ResolutionDto, type ServedPathDto } from '../../registry/dto/resolution.dto.js';
import { RegistryService } from '../../registry/registry.service.js';
import { ServingRecord } from '../../registry/serving-record.js';
import { parse } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

@Resolver()
export class ResolutionResolver {
  constructor(
    private readonly registry: RegistryService,
    private readonly served: ServingRecord,
  ) {}

  @Query()
  @RequireScope('read')
  resolve(@Context() context: RequestContext, @Args('path') path: string): Promise<Result<ResolutionDto>> {
    return outcome({ payload: 'Resolution' }, () => this.registry.explain(context, parse(resolveQuery, { path }).path));
  }

  @Query()
  @RequireScope('read', 'infer')
  servedPath(@Context() context: RequestContext, @Args('digest') digest: string): Promise<Result<ServedPathDto>> {
    return outcome({ payload: 'ServedPath' }, () => this.served.find(context, digest));
  }
}
