import { Controller, Get, Param, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import {
  resolutionSchema,
  resolveQuery,
  servedPathSchema,
  type ResolutionDto,
  type ResolveQuery,
  type ServedPathDto,
} from './dto/resolution.dto.js';
import { RegistryService } from './registry.service.js';
import { ServingRecord } from './serving-record.js';

@Controller('api/v1')
export class ResolutionController {
  constructor(
    private readonly registry: RegistryService,
    private readonly served: ServingRecord,
  ) {}

  @Get('resolve')
  @RequireScope('read')
  @Answers('Explains a path: each revision, its weight, and why it was chosen.', { 200: resolutionSchema })
  resolve(@Context() context: RequestContext, @Query({ schema: resolveQuery }) { path }: ResolveQuery): ResolutionDto {
    return this.registry.explain(context, path);
  }

  /** What an answer's path digest stood for. */
  @Get('paths/:digest')
  @RequireScope('read', 'infer')
  @Answers('Says which revisions a path digest stood for.', { 200: servedPathSchema })
  find(@Context() context: RequestContext, @Param('digest') digest: string): Promise<ServedPathDto> {
    return this.served.find(context, digest);
  }
}
