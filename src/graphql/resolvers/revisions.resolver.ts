/** Revisions to look at; `pushes.resolver.ts` has how they come. */
import { Args, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import { revisionTagsBody, type RevisionDto } from '../../registry/dto/revision.dto.js';
import { RevisionTagsService } from '../../registry/revision-tags.service.js';
import { RevisionsService } from '../../registry/revisions.service.js';
import { parse } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';

interface SetTags {
  id: string;
  tags: string[];
  expectedVersion?: number | null;
}

@Resolver('Revision')
export class RevisionsResolver {
  constructor(
    private readonly service: RevisionsService,
    private readonly revisionTags: RevisionTagsService,
  ) {}

  @Query()
  @RequireScope('read')
  revision(@Context() context: RequestContext, @Args('id') id: string): Promise<Result<RevisionDto>> {
    return outcome({ payload: 'Revision' }, () => this.service.get(context, id));
  }

  @Mutation()
  @RequireScope('write')
  setRevisionTags(
    @Context() context: RequestContext,
    @Args() { id, tags, expectedVersion }: SetTags,
  ): Promise<Result<{ revision: RevisionDto }>> {
    return outcome({ payload: 'RevisionPayload', changes: 'Revision' }, async () => ({
      revision: await this.revisionTags.set(
        context,
        id,
        parse(revisionTagsBody, { tags }),
        expectedVersion ?? undefined,
      ),
    }));
  }

  /** In the order of their names. */
  @ResolveField()
  targets(@Parent() { targets }: RevisionDto): object[] {
    return Object.entries(targets)
      .map(([module, target]) => ({ module, ...target }))
      .sort((a, b) => (a.module < b.module ? -1 : 1));
  }

  @ResolveField()
  metrics(@Parent() { metrics }: RevisionDto): object[] {
    return Object.entries(metrics).map(([name, value]) => ({ name, value }));
  }

  @ResolveField()
  node(@Parent() { nodeId }: RevisionDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }

  @ResolveField()
  card(@Parent() { id, hasCard }: RevisionDto, @Load() { cards }: Loaders): Promise<string | null> | null {
    return hasCard ? cards.load(id) : null;
  }
}
