import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers, bytes, json, text } from '../../http/answers.js';
import { lineageQuery, lineageSchema, type LineageDto, type LineageQuery } from './lineage.dto.js';
import { LineageService } from './lineage.service.js';

@Controller('api/v1/lineage')
export class LineageController {
  constructor(private readonly lineage: LineageService) {}

  @Get()
  @RequireScope('read')
  @Answers('Exports a subtree: its nodes, their revisions, and what each stands on.', {
    200: [json(lineageSchema), bytes('application/gexf+xml'), text('text/vnd.graphviz'), bytes('application/yaml')],
  })
  async get(
    @Context() context: RequestContext,
    @Query({ schema: lineageQuery }) { node, format }: LineageQuery,
  ): Promise<LineageDto | StreamableFile> {
    if (format === 'json') return this.lineage.get(context, node);
    const { type, name, body } = await this.lineage.file(context, { node, format });
    return new StreamableFile(body, { type, disposition: `attachment; filename="${name}"` });
  }
}
