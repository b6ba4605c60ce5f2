import { Controller, Get, Param, Query } from '@nestjs/common';
import { RequireScope } from '../access/scope.js';
import {
  resolveQuery,
  toResolutionDto,
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
  resolve(@Query({ schema: resolveQuery }) { path }: ResolveQuery): ResolutionDto {
    return toResolutionDto(this.registry.resolve(path));
  }

  /** What an answer's path digest stood for. */
  @Get('paths/:digest')
  @RequireScope('read', 'infer')
  find(@Param('digest') digest: string): Promise<ServedPathDto> {
    return this.served.find(digest);
  }
}
