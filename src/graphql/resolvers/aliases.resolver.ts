import { Args, Mutation, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { aliasName, setAliasBody, type AliasDto, type SetAliasDto } from '../../registry/aliases/alias.dto.js';
import { AliasesService } from '../../registry/aliases/aliases.service.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import type { RevisionDto } from '../../registry/dto/revision.dto.js';
import { parse } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';
import { versionOf, type NodeChange } from './node-changes.resolver.js';

interface Named extends NodeChange {
  name: string;
}

type SetAliasPayload = Pick<SetAliasDto, 'outcome' | 'before'> & { alias: AliasDto };

@Resolver('Alias')
export class AliasesResolver {
  constructor(private readonly service: AliasesService) {}

  /** Protected ones take `promote`. */
  @Mutation()
  @RequireScope('write', 'promote')
  setAlias(
    @Context() context: RequestContext,
    @Args() { node, name, input, ...seen }: Named & { input: unknown },
  ): Promise<Result<SetAliasPayload>> {
    return outcome({ payload: 'SetAliasPayload', changes: 'Alias' }, async () => {
      const wanted = parse(setAliasBody, input);
      const set = await this.service.set(context, node, parse(aliasName, name), wanted, versionOf(seen));
      return { alias: set, outcome: set.outcome, before: set.before };
    });
  }

  @Mutation()
  @RequireScope('write', 'promote')
  deleteAlias(
    @Context() context: RequestContext,
    @Args() { node, name, ...seen }: Named,
  ): Promise<Result<{ alias: AliasDto }>> {
    return outcome({ payload: 'DeleteAliasPayload', changes: 'Alias' }, async () => ({
      alias: await this.service.remove(context, node, parse(aliasName, name), versionOf(seen)),
    }));
  }

  @ResolveField()
  revision(@Parent() { revision }: AliasDto, @Load() { revisions }: Loaders): Promise<RevisionDto | null> {
    return revisions.load(revision.id);
  }

  @ResolveField()
  node(@Parent() { nodeId }: AliasDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }
}
