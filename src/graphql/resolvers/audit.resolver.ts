import { Args, Query, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { auditExportQuery, type AuditEntryDto } from '../../registry/audit/audit.dto.js';
import { AuditService } from '../../registry/audit/audit.service.js';
import { pageOf, parse, toConnection, withoutNulls, type Connection, type Forward } from '../connection.js';

@Resolver()
export class AuditResolver {
  constructor(private readonly service: AuditService) {}

  @Query()
  @RequireScope('read')
  async audit(
    @Context() context: RequestContext,
    @Args() { filter, ...page }: Forward & { filter?: object | null },
  ): Promise<Connection<AuditEntryDto>> {
    const query = { ...pageOf(page), ...parse(auditExportQuery, withoutNulls(filter ?? {})) };
    return toConnection(await this.service.list(context, query), query);
  }
}
