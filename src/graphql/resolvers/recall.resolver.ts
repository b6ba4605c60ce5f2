/** What takes a revision out of service and puts it back, and what accepts one on another revision of its parent. */
import { Args, Mutation, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import type { RevisionDto } from '../../registry/dto/revision.dto.js';
import { recallBody, unrecallBody, type RecallDto } from '../../registry/recall/recall.dto.js';
import { RecallService } from '../../registry/recall/recall.service.js';
import { repinBody, type RepinnedDto } from '../../registry/repin/repin.dto.js';
import { RepinService } from '../../registry/repin/repin.service.js';
import { parse } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';
import { versionOf, type NodeChange } from './node-changes.resolver.js';

interface ChangeWithInput extends NodeChange {
  input?: unknown;
}

type RepinPayload = Pick<RepinnedDto, 'repinOf' | 'promoted' | 'outcome'> & { revision: RevisionDto };

@Resolver('Recall')
export class RecallResolver {
  constructor(
    private readonly recalls: RecallService,
    private readonly repins: RepinService,
  ) {}

  @Mutation()
  @RequireScope('promote')
  recall(
    @Context() context: RequestContext,
    @Args() { node, input, ...seen }: ChangeWithInput,
  ): Promise<Result<RecallDto>> {
    return outcome({ payload: 'Recall', changes: 'Node' }, () =>
      this.recalls.recall(context, node, parse(recallBody, input), versionOf(seen)),
    );
  }

  @Mutation()
  @RequireScope('promote')
  unrecall(
    @Context() context: RequestContext,
    @Args() { node, revision, ...seen }: NodeChange & { revision: string },
  ): Promise<Result<RecallDto>> {
    return outcome({ payload: 'Recall', changes: 'Node' }, () =>
      this.recalls.unrecall(context, node, parse(unrecallBody, { revision }), versionOf(seen)),
    );
  }

  @Mutation()
  @RequireScope('promote')
  repin(
    @Context() context: RequestContext,
    @Args() { node, input, ...seen }: ChangeWithInput,
  ): Promise<Result<RepinPayload>> {
    return outcome({ payload: 'RepinPayload', changes: 'Node' }, async () => {
      const revision = await this.repins.repin(context, node, parse(repinBody, input ?? {}), versionOf(seen));
      return { revision, repinOf: revision.repinOf, promoted: revision.promoted, outcome: revision.outcome };
    });
  }

  @ResolveField()
  node(@Parent() { nodeId }: RecallDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(nodeId);
  }

  @ResolveField()
  revision(@Parent() { revision }: RecallDto, @Load() { revisions }: Loaders): Promise<RevisionDto | null> {
    return revisions.load(revision.id);
  }
}
