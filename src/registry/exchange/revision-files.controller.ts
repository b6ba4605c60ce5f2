import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers, bytes } from '../../http/answers.js';
import { sendFile } from '../../http/offered-file.js';
import { revisionFileParams, type RevisionFile } from './revision-file.dto.js';
import { RevisionFilesService } from './revision-files.service.js';

@Controller('api/v1/revisions/:id/files')
@RequireScope('read')
export class RevisionFilesController {
  constructor(private readonly files: RevisionFilesService) {}

  @Get(':name')
  @Answers(
    'One of the two files of a revision, as it was pushed.',
    { 200: [bytes('application/json'), bytes()], 206: [bytes('application/json'), bytes()], 304: null },
    { headers: ['content-disposition'] },
  )
  async get(
    @Context() context: RequestContext,
    @Param({ schema: revisionFileParams }) file: RevisionFile,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await sendFile(request, reply, this.files.find(context, file));
  }
}
