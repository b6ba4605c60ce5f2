import { Args, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import { mergeBody, type MergeDto } from '../../registry/merges/merge.dto.js';
import { MergesService } from '../../registry/merges/merges.service.js';
import { pageOf, parse, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';

@Resolver('Merge')
export class MergesResolver {
  constructor(private readonly service: MergesService) {}

  @Query()
  @RequireScope('read')
  merges(@Context() context: RequestContext, @Args() page: Forward): Connection<MergeDto> {
    const query = pageOf(page);
    return toConnection(this.service.list(context, query), query);
  }

  @Query()
  @RequireScope('read')
  merge(@Context() context: RequestContext, @Args('merge') merge: string): Promise<Result<MergeDto>> {
    return outcome({ payload: 'Merge' }, () => this.service.find(context, merge));
  }

  @Mutation()
  @RequireScope('admin')
  mergePath(
    @Context() context: RequestContext,
    @Args('path') path: string,
  ): Promise<Result<{ merge: MergeDto; created: boolean }>> {
    return outcome({ payload: 'MergePathPayload' }, async () => {
      const { merge, isNew } = await this.service.pin(context, parse(mergeBody, { path }));
      return { merge, created: isNew };
    });
  }

  @Mutation()
  @RequireScope('admin')
  unmergePath(@Context() context: RequestContext, @Args('merge') merge: string): Promise<Result<{ merge: MergeDto }>> {
    return outcome({ payload: 'UnmergePathPayload' }, async () => ({
      merge: await this.service.unpin(context, merge),
    }));
  }

  @ResolveField()
  node(@Parent() { nodeId }: MergeDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }
}
