/** What puts a node away, takes it out of the tree and brings it back; and the old paths of those that moved. */
import { Args, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import { NodesService } from '../../registry/nodes.service.js';
import type { RedirectDto } from '../../registry/places/redirect.dto.js';
import { RedirectsService } from '../../registry/places/redirects.service.js';
import type { DeletedNodeDto } from '../../registry/places/removal.dto.js';
import { RemovalsService } from '../../registry/places/removals.service.js';
import { pageOf, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';
import { changedNode, versionOf, type NodeChange } from './node-changes.resolver.js';

interface Delete extends NodeChange {
  recursive?: boolean | null;
  force?: boolean | null;
}

@Resolver('Redirect')
export class PlacesResolver {
  constructor(
    private readonly nodes: NodesService,
    private readonly removals: RemovalsService,
    private readonly service: RedirectsService,
  ) {}

  @Mutation()
  @RequireScope('write')
  archiveNode(
    @Context() context: RequestContext,
    @Args() { node, ...seen }: NodeChange,
  ): Promise<Result<{ node: NodeDto }>> {
    return changedNode(() => this.nodes.setArchived(context, node, true, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  restoreNode(
    @Context() context: RequestContext,
    @Args() { node, ...seen }: NodeChange,
  ): Promise<Result<{ node: NodeDto }>> {
    return changedNode(() => this.nodes.setArchived(context, node, false, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  deleteNode(
    @Context() context: RequestContext,
    @Args() { node, recursive, force, ...seen }: Delete,
  ): Promise<Result<{ deleted: DeletedNodeDto }>> {
    return outcome({ payload: 'DeleteNodePayload', changes: 'Node' }, async () => ({
      deleted: await this.removals.delete(
        context,
        node,
        { recursive: recursive ?? false, force: force ?? false },
        versionOf(seen),
      ),
    }));
  }

  @Mutation()
  @RequireScope('write')
  undeleteNode(@Context() context: RequestContext, @Args('id') id: string): Promise<Result<{ node: NodeDto }>> {
    return changedNode(() => this.removals.undelete(context, id));
  }

  @Query()
  @RequireScope('read')
  async redirects(
    @Context() context: RequestContext,
    @Args() { under, ...page }: Forward & { under?: string | null },
  ): Promise<Connection<RedirectDto>> {
    const query = { ...pageOf(page), under: under ?? undefined };
    return toConnection(await this.service.list(context, query), query);
  }

  @Mutation()
  @RequireScope('write')
  dropRedirect(@Context() context: RequestContext, @Args('id') id: string): Promise<Result<{ id: string }>> {
    return outcome({ payload: 'DropRedirectPayload' }, async () => {
      await this.service.drop(context, id);
      return { id };
    });
  }

  @ResolveField()
  node(@Parent() { node }: RedirectDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> | null {
    return node === null ? null : nodes.load(node.id);
  }
}
