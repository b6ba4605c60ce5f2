import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers, lines } from '../http/answers.js';
import { LOGGER, type Logger } from '../logger.js';
import {
  importedModelSchema,
  importLineSchema,
  importModelBody,
  modelSchema,
  type ImportModel,
  type ModelDto,
} from './dto/model.dto.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from './dto/page.js';
import { answerImport } from './importer/answer-import.js';
import { ModelsService } from './models.service.js';

@Controller('api/v1/models')
export class ModelsController {
  constructor(
    private readonly models: ModelsService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Reads the disk of the service, so it takes an admin. */
  @Post()
  @RequireScope('admin')
  @Answers("Imports a base model from a Hugging Face folder on the service's machine.", {
    200: [importedModelSchema, lines(importLineSchema)],
    201: importedModelSchema,
  })
  import(
    @Context() context: RequestContext,
    @Body({ schema: importModelBody }) body: ImportModel,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return answerImport(request, reply, this.logger, (watch) => this.models.import(context, body, watch));
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
