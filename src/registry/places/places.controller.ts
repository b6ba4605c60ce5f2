/** What puts a node away, takes it out of the tree, and brings it back. */
import { Controller, Delete, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { nodeSchema, type NodeDto } from '../dto/node.dto.js';
import { NodesService } from '../nodes.service.js';
import { deletedNodeSchema, deleteNodeQuery, type DeletedNodeDto, type DeleteNode } from './removal.dto.js';
import { RemovalsService } from './removals.service.js';

@Controller('api/v1/nodes')
@RequireScope('write')
export class PlacesController {
  constructor(
    private readonly nodes: NodesService,
    private readonly removals: RemovalsService,
  ) {}

  @Post(':node/archive')
  @HttpCode(200)
  @Answers('Puts a node away with all that is below it: not served, listed or pushed to.', { 200: nodeSchema })
  archive(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.nodes.setArchived(context, node, true, version);
  }

  @Post(':node/restore')
  @HttpCode(200)
  @Answers('Takes an archived node out again.', { 200: nodeSchema })
  restore(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.nodes.setArchived(context, node, false, version);
  }

  @Delete(':node')
  @Answers('Deletes a node. It can come back until garbage collection has taken its revisions.', {
    200: deletedNodeSchema,
  })
  delete(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Query({ schema: deleteNodeQuery }) query: DeleteNode,
  ): Promise<DeletedNodeDto> {
    return this.removals.delete(context, node, query, version);
  }

  @Post(':node/undelete')
  @HttpCode(200)
  @Answers('Brings a deleted node back to where it was, by its id, with what was deleted with it.', { 200: nodeSchema })
  undelete(@Context() context: RequestContext, @Param('node') node: string): Promise<NodeDto> {
    return this.removals.undelete(context, node);
  }
}
