/** What is done to a node: `expectedVersion` is the one that the caller has seen, as If-Match is over HTTP. */
import { Args, Mutation, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { createNodeBody, moveNodeBody, updateNodeBody, type NodeDto } from '../../registry/dto/node.dto.js';
import { promoteBody, type RevisionReference } from '../../registry/dto/revision.dto.js';
import { HeadsService } from '../../registry/heads.service.js';
import { NodesService } from '../../registry/nodes.service.js';
import { PinsService } from '../../registry/pins/pins.service.js';
import { parse } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

/** Arguments of every change of a node. */
export interface NodeChange {
  node: string;
  expectedVersion?: number | null;
}

interface ChangeWithInput extends NodeChange {
  input: unknown;
}

type NodeResult = Promise<Result<{ node: NodeDto }>>;

@Resolver()
export class NodeChangesResolver {
  constructor(
    private readonly nodes: NodesService,
    private readonly heads: HeadsService,
    private readonly pins: PinsService,
  ) {}

  @Mutation()
  @RequireScope('write')
  createNode(@Context() context: RequestContext, @Args('input') input: unknown): NodeResult {
    return changedNode(() => this.nodes.create(context, parse(createNodeBody, input)));
  }

  @Mutation()
  @RequireScope('write')
  updateNode(@Context() context: RequestContext, @Args() { node, input, ...seen }: ChangeWithInput): NodeResult {
    return changedNode(() => this.nodes.update(context, node, parse(updateNodeBody, input), versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  moveNode(@Context() context: RequestContext, @Args() { node, input, ...seen }: ChangeWithInput): NodeResult {
    return changedNode(() => this.nodes.move(context, node, parse(moveNodeBody, input), versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  disableNode(@Context() context: RequestContext, @Args() { node, ...seen }: NodeChange): NodeResult {
    return changedNode(() => this.nodes.setDisabled(context, node, true, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  enableNode(@Context() context: RequestContext, @Args() { node, ...seen }: NodeChange): NodeResult {
    return changedNode(() => this.nodes.setDisabled(context, node, false, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  pinNode(@Context() context: RequestContext, @Args() { node, ...seen }: NodeChange): NodeResult {
    return changedNode(() => this.pins.pin(context, node, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('write')
  unpinNode(@Context() context: RequestContext, @Args() { node, ...seen }: NodeChange): NodeResult {
    return changedNode(() => this.pins.unpin(context, node, versionOf(seen)));
  }

  @Mutation()
  @RequireScope('promote')
  promote(
    @Context() context: RequestContext,
    @Args() { node, revision, ...seen }: NodeChange & { revision: RevisionReference },
  ): NodeResult {
    return changedNode(() => this.heads.promote(context, node, parse(promoteBody, { revision }), versionOf(seen)));
  }

  @Mutation()
  @RequireScope('promote')
  rollback(@Context() context: RequestContext, @Args() { node, ...seen }: NodeChange): NodeResult {
    return changedNode(() => this.heads.rollback(context, node, versionOf(seen)));
  }
}

export function changedNode(work: () => Promise<NodeDto>): NodeResult {
  return outcome({ payload: 'NodePayload', changes: 'Node' }, async () => ({ node: await work() }));
}

export function versionOf({ expectedVersion }: Pick<NodeChange, 'expectedVersion'>): number | undefined {
  return expectedVersion ?? undefined;
}
