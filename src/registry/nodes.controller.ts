/** `:node` is a node's id, or its path, percent-encoded. */
import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import { IfMatch } from '../http/version-tag.js';
import {
  createNodeBody,
  listNodesQuery,
  moveNodeBody,
  nodeSchema,
  updateNodeBody,
  type CreateNode,
  type ListNodes,
  type MoveNode,
  type NodeDto,
  type UpdateNode,
} from './dto/node.dto.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from './dto/page.js';
import { promoteBody, revisionSchema, type Promote, type RevisionDto } from './dto/revision.dto.js';
import { HeadsService } from './heads.service.js';
import { NodesService } from './nodes.service.js';
import { RevisionsService } from './revisions.service.js';

@Controller('api/v1/nodes')
export class NodesController {
  constructor(
    private readonly nodes: NodesService,
    private readonly heads: HeadsService,
    private readonly revisions: RevisionsService,
  ) {}

  @Post()
  @RequireScope('write')
  @Answers('Makes a node without a revision, which contributes nothing yet.', { 201: nodeSchema })
  create(@Context() context: RequestContext, @Body({ schema: createNodeBody }) body: CreateNode): Promise<NodeDto> {
    return this.nodes.create(context, body);
  }

  @Get()
  @RequireScope('read')
  @Answers('Lists nodes, of all trees or of one subtree.', { 200: pageSchema(nodeSchema) })
  list(
    @Context() context: RequestContext,
    @Query({ schema: listNodesQuery }) query: ListNodes,
  ): Promise<Page<NodeDto>> {
    return this.nodes.list(context, query);
  }

  @Get(':node')
  @RequireScope('read')
  @Answers('Shows a node.', { 200: nodeSchema })
  get(@Context() context: RequestContext, @Param('node') node: string): Promise<NodeDto> {
    return this.nodes.get(context, node);
  }

  @Patch(':node')
  @RequireScope('write')
  @Answers('Changes a node.', { 200: nodeSchema })
  update(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: updateNodeBody }) body: UpdateNode,
  ): Promise<NodeDto> {
    return this.nodes.update(context, node, body, version);
  }

  @Post(':node/move')
  @HttpCode(200)
  @RequireScope('write')
  @Answers('Moves or renames a node, with all below it.', { 200: nodeSchema })
  move(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: moveNodeBody }) body: MoveNode,
  ): Promise<NodeDto> {
    return this.nodes.move(context, node, body, version);
  }

  @Post(':node/disable')
  @HttpCode(200)
  @RequireScope('write')
  @Answers('Stops serving a node and all below it.', { 200: nodeSchema })
  disable(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.nodes.setDisabled(context, node, true, version);
  }

  @Post(':node/enable')
  @HttpCode(200)
  @RequireScope('write')
  @Answers('Serves a disabled node again.', { 200: nodeSchema })
  enable(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.nodes.setDisabled(context, node, false, version);
  }

  @Get(':node/revisions')
  @RequireScope('read')
  @Answers("Lists a node's revisions.", { 200: pageSchema(revisionSchema) })
  listRevisions(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @Query({ schema: pageQuery }) page: PageQuery,
  ): Promise<Page<RevisionDto>> {
    return this.revisions.list(context, node, page);
  }

  @Post(':node/promote')
  @HttpCode(200)
  @RequireScope('promote')
  @Answers('Makes a revision the head of its node.', { 200: nodeSchema })
  promote(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: promoteBody }) body: Promote,
  ): Promise<NodeDto> {
    return this.heads.promote(context, node, body, version);
  }

  @Post(':node/rollback')
  @HttpCode(200)
  @RequireScope('promote')
  @Answers('Makes the head before this one the head again.', { 200: nodeSchema })
  rollback(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.heads.rollback(context, node, version);
  }
}
