import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { gcBody, gcReportSchema, type CollectGarbage, type GcReport } from './gc.dto.js';
import { GcService } from './gc.service.js';

@Controller('api/v1/gc')
@RequireScope('admin')
export class GcController {
  constructor(private readonly gc: GcService) {}

  @Post()
  @HttpCode(200)
  @Answers('Collects garbage: revisions of nodes that were deleted, bytes that nobody has.', { 200: gcReportSchema })
  collect(@Context() context: RequestContext, @Body({ schema: gcBody }) body: CollectGarbage): Promise<GcReport> {
    return this.gc.collect(context, body);
  }
}
