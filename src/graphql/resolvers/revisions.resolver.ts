import { Args, Mutation, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import { pushFolderBody, type PushedRevisionDto, type RevisionDto } from '../../registry/dto/revision.dto.js';
import { PushSources } from '../../registry/push-sources.js';
import { RevisionsService } from '../../registry/revisions.service.js';
import { parse } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';

interface Target {
  module: string;
  rank: number;
  scale: number;
  norm: number | null;
}

@Resolver('Revision')
export class RevisionsResolver {
  constructor(
    private readonly service: RevisionsService,
    private readonly sources: PushSources,
  ) {}

  @Mutation()
  @RequireScope('write')
  pushFromFolder(
    @Context() context: RequestContext,
    @Args('input') input: unknown,
  ): Promise<Result<{ revision: PushedRevisionDto; unchanged: boolean }>> {
    return outcome({ payload: 'PushPayload' }, async () => {
      const revision = await this.service.push(context, this.sources.ofFolder(parse(pushFolderBody, input)));
      return { revision, unchanged: revision.unchanged };
    });
  }

  /** In the order of their names. */
  @ResolveField()
  targets(@Parent() { targets }: RevisionDto): Target[] {
    return Object.entries(targets)
      .map(([module, target]) => ({ module, ...target }))
      .sort((a, b) => (a.module < b.module ? -1 : 1));
  }

  @ResolveField()
  node(@Parent() { nodeId }: RevisionDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }
}
