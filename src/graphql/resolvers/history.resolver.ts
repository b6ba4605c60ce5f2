import { Args, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { RevisionDto } from '../../registry/dto/revision.dto.js';
import type { HeadMoveDto } from '../../registry/history/history.dto.js';
import { HistoryService } from '../../registry/history/history.service.js';
import { pageOf, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';

@Resolver('HeadMove')
export class HistoryResolver {
  constructor(private readonly service: HistoryService) {}

  @Query()
  @RequireScope('read')
  async history(
    @Context() context: RequestContext,
    @Args() { node, ...page }: Forward & { node: string },
  ): Promise<Connection<HeadMoveDto>> {
    const query = pageOf(page);
    return toConnection(await this.service.list(context, node, query), query);
  }

  @ResolveField()
  revision(@Parent() { revision }: HeadMoveDto, @Load() { revisions }: Loaders): Promise<RevisionDto | null> | null {
    return revision === null ? null : revisions.load(revision.id);
  }
}
