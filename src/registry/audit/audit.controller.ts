import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers, text } from '../../http/answers.js';
import { pageSchema, type Page } from '../dto/page.js';
import {
  auditEntrySchema,
  auditExportQuery,
  auditQuery,
  type AuditEntryDto,
  type AuditFilter,
  type AuditQuery,
} from './audit.dto.js';
import { AuditService } from './audit.service.js';

const JSON_LINES = 'application/jsonl';

@Controller('api/v1/audit')
@RequireScope('read')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @Answers('Lists what was changed, the newest first.', { 200: pageSchema(auditEntrySchema) })
  list(
    @Context() context: RequestContext,
    @Query({ schema: auditQuery }) query: AuditQuery,
  ): Promise<Page<AuditEntryDto>> {
    return this.audit.list(context, query);
  }

  @Get('export')
  @Answers('All of that, the oldest first, as lines of JSON.', { 200: text(JSON_LINES) })
  async export(
    @Context() context: RequestContext,
    @Query({ schema: auditExportQuery }) filter: AuditFilter,
  ): Promise<StreamableFile> {
    return new StreamableFile(Readable.from(await this.audit.export(context, filter), { objectMode: false }), {
      type: JSON_LINES,
      disposition: 'attachment; filename="audit.jsonl"',
    });
  }
}
