/** The document holds no data, only what the source says as well: it needs no key. */
import { Controller, Get, Param, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Public } from '../access/scope.js';
import { Answers, bytes, text } from '../http/answers.js';
import { docsFile, DOCS_PAGE, DOCS_POLICY, openDocsFile, typeOf, type DocsFile } from './docs-page.js';
import type { Document } from './document.js';
import { OpenApiService } from './openapi.service.js';

@Controller()
export class OpenApiController {
  readonly #openapi: OpenApiService;

  constructor(openapi: OpenApiService) {
    this.#openapi = openapi;
  }

  @Get('openapi.json')
  @Public()
  @Answers('This description of the HTTP interface, in OpenAPI 3.1.', { 200: z.looseObject({ openapi: z.string() }) })
  describe(): Document {
    return this.#openapi.document;
  }

  @Get('docs')
  @Public()
  @Answers('A page to read it.', { 200: text('text/html') })
  page(@Res({ passthrough: true }) reply: FastifyReply): string {
    void reply.headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': DOCS_POLICY });
    return DOCS_PAGE;
  }

  @Get('docs/:file')
  @Public()
  @Answers('What the page is made of.', { 200: [text('text/javascript'), text('text/css'), bytes('image/png')] })
  file(
    @Param('file', { schema: docsFile }) file: DocsFile,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): StreamableFile {
    void reply.header('cache-control', 'max-age=3600');
    return new StreamableFile(openDocsFile(file), { type: typeOf(file) });
  }
}
