/** Nodes to look at; `node-changes.resolver.ts` has what changes them. */
import { Args, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { AliasDto } from '../../registry/aliases/alias.dto.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import type { RevisionDto } from '../../registry/dto/revision.dto.js';
import { NodesService } from '../../registry/nodes.service.js';
import { pageOf, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';
import { TreePages, type BothWays } from '../tree-pages.js';

interface NodesArguments extends Forward {
  under?: string | null;
  archived?: boolean | null;
}

@Resolver('Node')
export class NodesResolver {
  constructor(
    private readonly service: NodesService,
    private readonly pages: TreePages,
  ) {}

  @Query()
  @RequireScope('read')
  node(@Context() context: RequestContext, @Args('node') node: string): Promise<Result<NodeDto>> {
    return outcome({ payload: 'Node' }, () => this.service.get(context, node));
  }

  @Query()
  @RequireScope('read')
  async nodes(
    @Context() context: RequestContext,
    @Args() { under, archived, ...page }: NodesArguments,
  ): Promise<Connection<NodeDto>> {
    const query = { ...pageOf(page), under: under ?? undefined, archived: archived ?? false };
    return toConnection(await this.service.list(context, query), query);
  }

  @ResolveField()
  parentPath(@Parent() { parent }: NodeDto): string | null {
    return parent;
  }

  @ResolveField()
  parent(@Parent() { id }: NodeDto, @Load() loaders: Loaders): Promise<NodeDto | null> {
    return this.pages.parent(id, loaders);
  }

  @ResolveField()
  head(@Parent() { head }: NodeDto, @Load() { revisions }: Loaders): Promise<RevisionDto | null> | null {
    return head === null ? null : revisions.load(head.id);
  }

  @ResolveField()
  aliases(@Parent() { id }: NodeDto, @Load() { aliases }: Loaders): Promise<AliasDto[]> {
    return aliases.load(id);
  }

  @ResolveField()
  revisionCount(@Parent() { revisions }: NodeDto): number {
    return revisions;
  }

  @ResolveField()
  childCount(@Parent() { children }: NodeDto): number {
    return children;
  }

  @ResolveField()
  children(@Parent() { id }: NodeDto, @Args() page: Forward, @Load() loaders: Loaders): Promise<Connection<NodeDto>> {
    return this.pages.children(id, page, loaders);
  }

  @ResolveField()
  revisions(
    @Parent() { id }: NodeDto,
    @Args() page: BothWays,
    @Load() loaders: Loaders,
  ): Promise<Connection<RevisionDto>> {
    return this.pages.revisions(id, page, loaders);
  }
}
