/** `:node` is a node's id, or its path, percent-encoded. */
import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { nodeSchema, type NodeDto } from '../dto/node.dto.js';
import { PinsService } from './pins.service.js';

@Controller('api/v1/nodes')
export class PinsController {
  constructor(private readonly pins: PinsService) {}

  @Post(':node/pin')
  @HttpCode(200)
  @RequireScope('write')
  @Answers("Keeps the adapter of a node's head in host memory.", { 200: nodeSchema })
  pin(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.pins.pin(context, node, version);
  }

  @Post(':node/unpin')
  @HttpCode(200)
  @RequireScope('write')
  @Answers("Lets the adapter of a node's head leave host memory where others need the room.", { 200: nodeSchema })
  unpin(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
  ): Promise<NodeDto> {
    return this.pins.unpin(context, node, version);
  }
}
