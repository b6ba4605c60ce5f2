import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers, events, json } from '../http/answers.js';
import { CompletionsService } from './completions.service.js';
import { chatChunkSchema, chatCompletionSchema } from './dto/chat-answer.js';
import { chatRequest, type ChatRequest } from './dto/chat-request.js';
import { completionChunkSchema, completionSchema } from './dto/completion-answer.js';
import { completionRequest, type CompletionRequest } from './dto/completion-request.js';

@Controller('v1')
@RequireScope('infer')
export class CompletionsController {
  readonly #completions: CompletionsService;

  constructor(completions: CompletionsService) {
    this.#completions = completions;
  }

  @Post('completions')
  @HttpCode(200)
  @Answers(
    'Completes prompts on a path; as server-sent events where it asks for a stream.',
    { 200: [json(completionSchema), events(completionChunkSchema)] },
    { headers: ['x-espalier-path', 'x-espalier-path-digest'] },
  )
  complete(
    @Context() context: RequestContext,
    @Body({ schema: completionRequest }) body: CompletionRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#completions.complete(context, body, reply);
  }

  @Post('chat/completions')
  @HttpCode(200)
  @Answers(
    "Answers messages by the checkpoint's own chat template; as server-sent events where it asks for a stream.",
    { 200: [json(chatCompletionSchema), events(chatChunkSchema)] },
    { headers: ['x-espalier-path', 'x-espalier-path-digest'] },
  )
  chat(
    @Context() context: RequestContext,
    @Body({ schema: chatRequest }) body: ChatRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#completions.chat(context, body, reply);
  }
}
