import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { importModelBody, type ImportedModelDto, type ImportModel, type ModelDto } from './dto/model.dto.js';
import { pageQuery, type Page, type PageQuery } from './dto/page.js';
import { ModelsService } from './models.service.js';

@Controller('api/v1/models')
export class ModelsController {
  constructor(private readonly models: ModelsService) {}

  /** Reads the disk of the service, so it takes an admin. */
  @Post()
  @RequireScope('admin')
  async import(
    @Context() context: RequestContext,
    @Body({ schema: importModelBody }) body: ImportModel,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportedModelDto> {
    const model = await this.models.import(context, body);
    void reply.status(model.unchanged ? 200 : 201);
    return model;
  }

  @Get()
  @RequireScope('read')
  list(@Context() context: RequestContext, @Query({ schema: pageQuery }) page: PageQuery): Promise<Page<ModelDto>> {
    return this.models.list(context, page);
  }

  @Get(':name')
  @RequireScope('read')
  get(@Context() context: RequestContext, @Param('name') name: string): Promise<ModelDto> {
    return this.models.get(context, name);
  }
}
