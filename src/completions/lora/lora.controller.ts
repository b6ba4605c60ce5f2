/** vLLM's routes for loading adapters while it runs, with its own words in the answers. */
import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers, text } from '../../http/answers.js';
import { clientSignal } from '../client-signal.js';
import { loadLoraBody, unloadLoraBody, type LoadLora, type UnloadLora } from '../dto/lora-request.js';
import { LoraService } from './lora.service.js';

@Controller('v1')
@RequireScope('write')
export class LoraController {
  readonly #lora: LoraService;

  constructor(lora: LoraService) {
    this.#lora = lora;
  }

  @Post('load_lora_adapter')
  @HttpCode(200)
  @Answers('Pushes an adapter to a node and serves it, as vLLM loads one.', { 200: text() })
  load(@Context() context: RequestContext, @Body({ schema: loadLoraBody }) body: LoadLora): Promise<string> {
    return this.#lora.load(context, body);
  }

  @Post('unload_lora_adapter')
  @HttpCode(200)
  @Answers('Disables a node, and answers when no request uses it any more.', { 200: text() })
  unload(
    @Context() context: RequestContext,
    @Body({ schema: unloadLoraBody }) body: UnloadLora,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return this.#lora.unload(context, body, clientSignal(reply));
  }
}
