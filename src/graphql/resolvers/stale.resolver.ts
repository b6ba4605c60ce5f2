import { Args, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import type { StaleNodeDto } from '../../registry/stale/stale.dto.js';
import { StaleService } from '../../registry/stale/stale.service.js';
import { pageOf, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';

@Resolver('StaleNode')
export class StaleResolver {
  constructor(private readonly service: StaleService) {}

  @Query()
  @RequireScope('read')
  async stale(
    @Context() context: RequestContext,
    @Args() { under, ...page }: Forward & { under?: string | null },
  ): Promise<Connection<StaleNodeDto>> {
    const query = { ...pageOf(page), under: under ?? undefined };
    return toConnection(await this.service.list(context, query), query);
  }

  @ResolveField()
  node(@Parent() { nodeId }: StaleNodeDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }
}
