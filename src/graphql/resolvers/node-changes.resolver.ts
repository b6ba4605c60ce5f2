/** What is done to a node: `expectedVersion` is the one that the caller has seen, as If-Match is over HTTP. */
import { Args, Mutation, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { createNodeBody, moveNodeBody, updateNodeBody, type NodeDto } from '../../registry/dto/node.dto.js';
import { promoteBody, type RevisionReference } from '../../registry/dto/revision.dto.js';
import { HeadsService } from '../../registry/heads.service.js';
import { NodesService } from '../../registry/nodes.service.js';
import { parse } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

/** Arguments of every change of a node. */
interface Change {
  node: string;
  expectedVersion?: number | null;
}

interface ChangeWithInput extends Change {
  input: unknown;
}

type NodeResult = Promise<Result<{ node: NodeDto }>>;

@Resolver()
export class NodeChangesResolver {
  constructor(
    private readonly nodes: NodesService,
    private readonly heads: HeadsService,
  ) {}

  @Mutation()
  @RequireScope('write')
  createNode(@Context() context: RequestContext, @Args('input') input: unknown): NodeResult {
    return changed(() => this.nodes.create(context, parse(createNodeBody, input)));
  }

  @Mutation()
  @RequireScope('write')
  updateNode(@Context() context: RequestContext, @Args() { node, input, ...seen }: ChangeWithInput): NodeResult {
    return changed(() => this.nodes.update(context, node, parse(updateNodeBody, input), version(seen)));
  }

  @Mutation()
  @RequireScope('write')
  moveNode(@Context() context: RequestContext, @Args() { node, input, ...seen }: ChangeWithInput): NodeResult {
    return changed(() => this.nodes.move(context, node, parse(moveNodeBody, input), version(seen)));
  }

  @Mutation()
  @RequireScope('write')
  disableNode(@Context() context: RequestContext, @Args() { node, ...seen }: Change): NodeResult {
    return changed(() => this.nodes.setDisabled(context, node, true, version(seen)));
  }

  @Mutation()
  @RequireScope('write')
  enableNode(@Context() context: RequestContext, @Args() { node, ...seen }: Change): NodeResult {
    return changed(() => this.nodes.setDisabled(context, node, false, version(seen)));
  }

  @Mutation()
  @RequireScope('promote')
  promote(
    @Context() context: RequestContext,
    @Args() { node, revision, ...seen }: Change & { revision: RevisionReference },
  ): NodeResult {
    return changed(() => this.heads.promote(context, node, parse(promoteBody, { revision }), version(seen)));
  }

  @Mutation()
  @RequireScope('promote')
  rollback(@Context() context: RequestContext, @Args() { node, ...seen }: Change): NodeResult {
    return changed(() => this.heads.rollback(context, node, version(seen)));
  }
}

function changed(work: () => Promise<NodeDto>): NodeResult {
  return outcome({ payload: 'NodePayload', changes: 'Node' }, async () => ({ node: await work() }));
}

function version({ expectedVersion }: Pick<Change, 'expectedVersion'>): number | undefined {
  return expectedVersion ?? undefined;
}
