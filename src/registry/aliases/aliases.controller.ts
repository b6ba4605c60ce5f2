import { Body, Controller, Delete, Get, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { pageQuery, pageSchema, type Page, type PageQuery } from '../dto/page.js';
import {
  aliasName,
  aliasSchema,
  setAliasBody,
  setAliasSchema,
  type AliasDto,
  type SetAlias,
  type SetAliasDto,
} from './alias.dto.js';
import { AliasesService } from './aliases.service.js';

@Controller('api/v1/nodes/:node/aliases')
export class AliasesController {
  constructor(private readonly aliases: AliasesService) {}

  @Get()
  @RequireScope('read')
  @Answers('Lists the aliases of a node, by name.', { 200: pageSchema(aliasSchema) })
  list(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @Query({ schema: pageQuery }) page: PageQuery,
  ): Promise<Page<AliasDto>> {
    return this.aliases.list(context, node, page);
  }

  /** Protected ones take `promote`. */
  @Put(':name')
  @RequireScope('write', 'promote')
  @Answers('Makes an alias, or moves it to another revision. Protected ones take the scope `promote`.', {
    200: setAliasSchema,
    201: setAliasSchema,
  })
  async set(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @Param('name', { schema: aliasName }) name: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: setAliasBody }) body: SetAlias,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SetAliasDto> {
    const alias = await this.aliases.set(context, node, name, body, version);
    void reply.status(alias.outcome === 'created' ? 201 : 200);
    return alias;
  }

  @Delete(':name')
  @RequireScope('write', 'promote')
  @Answers('Deletes an alias, and shows what it was. Protected ones take the scope `promote`.', { 200: aliasSchema })
  remove(
    @Context() context: RequestContext,
    @Param('node') node: string,
    @Param('name', { schema: aliasName }) name: string,
    @IfMatch() version: number | undefined,
  ): Promise<AliasDto> {
    return this.aliases.remove(context, node, name, version);
  }
}
