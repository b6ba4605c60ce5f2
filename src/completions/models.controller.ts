/** Nodes as models, for OpenAI's clients. */
import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import { RegistryService } from '../registry/registry.service.js';
import {
  modelEntrySchema,
  modelListQuery,
  modelListSchema,
  toModelEntry,
  toModelList,
  type ModelEntry,
  type ModelList,
  type ModelListQuery,
} from './dto/model-list.js';
import { namePaths } from './answer-headers.js';
import { asModelField } from './served-models.js';

@Controller('v1/models')
@RequireScope('infer', 'read')
export class ServedModelsController {
  readonly #registry: RegistryService;

  constructor(registry: RegistryService) {
    this.#registry = registry;
  }

  @Get()
  @Answers('Lists nodes as models.', { 200: modelListSchema })
  async list(
    @Context() context: RequestContext,
    @Query({ schema: modelListQuery }) { limit, after }: ModelListQuery,
  ): Promise<ModelList> {
    const nodes = await this.#registry.listServable(context, { limit: limit + 1, after: after ?? null });
    return toModelList(nodes, limit);
  }

  /** Ids hold slashes: raw, or as %2F. */
  @Get('*')
  @Answers(
    'Reads one of them.',
    { 200: modelEntrySchema },
    { headers: ['x-espalier-path', 'x-espalier-path-digest'], wildcard: 'model' },
  )
  async retrieve(
    @Context() context: RequestContext,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ModelEntry> {
    const [path = ''] = request.url.split('?', 1);
    const id = decodeURIComponent(path.slice(path.indexOf('/v1/models/') + '/v1/models/'.length));
    return asModelField(async () => {
      const node = await this.#registry.findServable(context, id);
      namePaths(reply, [this.#registry.resolve(context, id)]);
      return toModelEntry(node);
    });
  }
}
