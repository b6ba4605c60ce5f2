/** What changes, as it is committed here or by another instance: each subscriber hears of what it may see alone. */
import { Args, Parent, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import type { RevisionDto } from '../../registry/dto/revision.dto.js';
import type { Committed } from '../../registry/registry-events.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import type { ChangeStream } from '../subscriptions/change-stream.js';
import { VisibleChanges } from '../subscriptions/visible-changes.js';

/** What the stream brings is the value of the field. */
const AS_IT_IS = { resolve: (committed: Committed) => committed };

@Resolver()
export class SubscriptionsResolver {
  constructor(private readonly changes: VisibleChanges) {}

  @Subscription('treeChanged', AS_IT_IS)
  @RequireScope('read')
  treeChanged(@Context() context: RequestContext, @Args('under') under?: string | null): ChangeStream<Committed> {
    return this.changes.stream(context, under ?? null, 'tree');
  }

  @Subscription('revisionChanged', AS_IT_IS)
  @RequireScope('read')
  revisionChanged(@Context() context: RequestContext, @Args('under') under?: string | null): ChangeStream<Committed> {
    return this.changes.stream(context, under ?? null, 'revision');
  }
}

@Resolver('Change')
export class ChangeResolver {
  @ResolveField()
  node(@Parent() { nodeId }: Committed, @Load() { nodes }: Loaders): Promise<NodeDto | null> | null {
    return nodeId === null ? null : nodes.load(nodeId);
  }

  @ResolveField()
  async revisions(@Parent() { changed }: Committed, @Load() { revisions }: Loaders): Promise<RevisionDto[]> {
    const found = await Promise.all((changed.revisions ?? []).map((id) => revisions.load(id)));
    return found.filter((revision) => revision !== null);
  }
}
