import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import {
  importedModelSchema,
  importModelBody,
  modelSchema,
  type ImportedModelDto,
  type ImportModel,
  type ModelDto,
} from './dto/model.dto.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from './dto/page.js';
import { ModelsService } from './models.service.js';

@Controller('api/v1/models')
export class ModelsController {
  constructor(private readonly models: ModelsService) {}

  /** Reads the disk of the service, so it takes an admin. */
  @Post()
  @RequireScope('admin')
  @Answers("Imports a base model from a Hugging Face folder on the service's machine.", {
    200: importedModelSchema,
    201: importedModelSchema,
  })
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
  @Answers('Lists the base models.', { 200: pageSchema(modelSchema) })
  list(@Context() context: RequestContext, @Query({ schema: pageQuery }) page: PageQuery): Promise<Page<ModelDto>> {
    return this.models.list(context, page);
  }

  @Get(':name')
  @RequireScope('read')
  @Answers('Shows a base model.', { 200: modelSchema })
  get(@Context() context: RequestContext, @Param('name') name: string): Promise<ModelDto> {
    return this.models.get(context, name);
  }
}
