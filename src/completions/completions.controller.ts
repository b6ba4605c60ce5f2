import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../access/scope.js';
import { CompletionsService } from './completions.service.js';
import { chatRequest, type ChatRequest } from './dto/chat-request.js';
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
  complete(@Body({ schema: completionRequest }) body: CompletionRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#completions.complete(body, reply);
  }

  @Post('chat/completions')
  @HttpCode(200)
  chat(@Body({ schema: chatRequest }) body: ChatRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#completions.chat(body, reply);
  }
}
