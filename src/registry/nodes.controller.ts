/** `:node` is a node's id, or its path, percent-encoded. */
import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { RequireScope } from '../access/scope.js';
import {
  createNodeBody,
  listNodesQuery,
  moveNodeBody,
  updateNodeBody,
  type CreateNode,
  type ListNodes,
  type MoveNode,
  type NodeDto,
  type UpdateNode,
} from './dto/node.dto.js';
import { pageQuery, type Page, type PageQuery } from './dto/page.js';
import { promoteBody, type Promote, type RevisionDto } from './dto/revision.dto.js';
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
  create(@Body({ schema: createNodeBody }) body: CreateNode): Promise<NodeDto> {
    return this.nodes.create(body);
  }

  @Get()
  @RequireScope('read')
  list(@Query({ schema: listNodesQuery }) query: ListNodes): Promise<Page<NodeDto>> {
    return this.nodes.list(query);
  }

  @Get(':node')
  @RequireScope('read')
  get(@Param('node') node: string): NodeDto {
    return this.nodes.get(node);
  }

  @Patch(':node')
  @RequireScope('write')
  update(@Param('node') node: string, @Body({ schema: updateNodeBody }) body: UpdateNode): Promise<NodeDto> {
    return this.nodes.update(node, body);
  }

  @Post(':node/move')
  @HttpCode(200)
  @RequireScope('write')
  move(@Param('node') node: string, @Body({ schema: moveNodeBody }) body: MoveNode): Promise<NodeDto> {
    return this.nodes.move(node, body);
  }

  @Post(':node/disable')
  @HttpCode(200)
  @RequireScope('write')
  disable(@Param('node') node: string): Promise<NodeDto> {
    return this.nodes.setDisabled(node, true);
  }

  @Post(':node/enable')
  @HttpCode(200)
  @RequireScope('write')
  enable(@Param('node') node: string): Promise<NodeDto> {
    return this.nodes.setDisabled(node, false);
  }

  @Get(':node/revisions')
  @RequireScope('read')
  listRevisions(
    @Param('node') node: string,
    @Query({ schema: pageQuery }) page: PageQuery,
  ): Promise<Page<RevisionDto>> {
    return this.revisions.list(node, page);
  }

  @Post(':node/promote')
  @HttpCode(200)
  @RequireScope('write')
  promote(@Param('node') node: string, @Body({ schema: promoteBody }) body: Promote): Promise<NodeDto> {
    return this.heads.promote(node, body);
  }

  @Post(':node/rollback')
  @HttpCode(200)
  @RequireScope('write')
  rollback(@Param('node') node: string): Promise<NodeDto> {
    return this.heads.rollback(node);
  }
}
