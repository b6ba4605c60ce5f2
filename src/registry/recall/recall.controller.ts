import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { recallBody, recallSchema, unrecallBody, type Recall, type RecallDto, type Unrecall } from './recall.dto.js';
import { RecallService } from './recall.service.js';

@Controller('api/v1/nodes/:node')
@RequireScope('promote')
export class RecallController {
  constructor(private readonly recalls: RecallService) {}

  @Post('recall')
  @HttpCode(200)
  @Answers('Takes a revision out of service everywhere, at once.', { 200: recallSchema })
  recall(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: recallBody }) body: Recall,
  ): Promise<RecallDto> {
    return this.recalls.recall(context, node, body, version);
  }

  @Post('unrecall')
  @HttpCode(200)
  @Answers('Puts a recalled revision back into service. Head and aliases stay where they are.', { 200: recallSchema })
  unrecall(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: unrecallBody }) body: Unrecall,
  ): Promise<RecallDto> {
    return this.recalls.unrecall(context, node, body, version);
  }
}
