import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers, bytes } from '../../http/answers.js';
import { sendFile } from '../../http/offered-file.js';
import { resolveQuery, type ResolveQuery } from '../dto/resolution.dto.js';
import { ExportService } from './export.service.js';

@Controller('api/v1/export')
@RequireScope('read')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  @Get('adapter_config.json')
  @Answers(
    'The config of a path that is exported as one PEFT adapter.',
    { 200: bytes('application/json'), 304: null },
    { headers: ['x-espalier-path-digest', 'content-disposition'] },
  )
  async config(
    @Context() context: RequestContext,
    @Query({ schema: resolveQuery }) { path }: ResolveQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await sendFile(request, reply, await this.exports.config(context, path));
  }

  @Get('adapter_model.safetensors')
  @Answers(
    'The tensors of a path that is exported as one PEFT adapter.',
    { 200: bytes(), 304: null },
    { headers: ['x-espalier-path-digest', 'content-disposition'] },
  )
  async weights(
    @Context() context: RequestContext,
    @Query({ schema: resolveQuery }) { path }: ResolveQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await sendFile(request, reply, this.exports.weights(context, path));
  }
}
