/** Completions and chat completions: from a checked request to its answer. */
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { randomUUID } from 'node:crypto';
import { RateLimits } from '../access/rate-limits.js';
import type { RequestContext } from '../access/request-context.js';
import { CONFIG, type Config } from '../config.js';
import { ENGINE, type EngineClient } from '../engine/engine-client.js';
import { LOGGER, type Logger } from '../logger.js';
import { RequestTraces } from '../observability/request-traces.js';
import { TokenizerPool } from '../tokenization/tokenizer-pool.js';
import { sendJson, sendStream } from './answer.js';
import { chatFormat, completionFormat, type AnswerFormat } from './answer-format.js';
import { namePaths, tellCapacity } from './answer-headers.js';
import { cacheScope } from './cache-scope.js';
import { clientSignal } from './client-signal.js';
import { messagesOf, type ChatRequest } from './dto/chat-request.js';
import { promptsOf, type CompletionRequest } from './dto/completion-request.js';
import { Generation, type GenerationOptions } from './generation.js';
import { ServedModels, type ServedModel } from './served-models.js';

/** OpenAI's default for completions. */
const DEFAULT_COMPLETION_TOKENS = 16;

/** A request on its way to an answer. */
interface Exchange {
  context: RequestContext;
  reply: FastifyReply;
  signal: AbortSignal;
  model: ServedModel;
  endpoint: 'completions' | 'chat';
  format: AnswerFormat;
}

@Injectable()
export class CompletionsService {
  readonly #models: ServedModels;
  readonly #tokenizers: TokenizerPool;
  readonly #engine: EngineClient;
  readonly #traces: RequestTraces;
  readonly #limits: RateLimits;
  readonly #logger: Logger;
  readonly #config: Config;

  constructor(
    models: ServedModels,
    tokenizers: TokenizerPool,
    @Inject(ENGINE) engine: EngineClient,
    traces: RequestTraces,
    limits: RateLimits,
    @Inject(LOGGER) logger: Logger,
    @Inject(CONFIG) config: Config,
  ) {
    this.#models = models;
    this.#tokenizers = tokenizers;
    this.#engine = engine;
    this.#traces = traces;
    this.#limits = limits;
    this.#logger = logger;
    this.#config = config;
  }

  async complete(context: RequestContext, body: CompletionRequest, reply: FastifyReply): Promise<void> {
    const signal = clientSignal(reply);
    const model = await this.#models.find(context, body.model, reply);
    this.#tell(reply, model);
    const prompts = promptsOf(body.prompt);
    const tokens = await this.#models.encode(model, prompts, {
      addSpecialTokens: body.add_special_tokens ?? true,
      param: 'prompt',
    });
    const { bosId, table } = model.tokenizer;
    const format = completionFormat(table, body.logprobs != null);
    await this.#answer(
      { context, reply, signal, model, endpoint: 'completions', format },
      {
        fields: body,
        prompts: prompts.map((prompt, index) => {
          const encoded = tokens[index] ?? [];
          // An empty prompt begins a text, as OpenAI has it.
          const begun = encoded.length === 0 && bosId !== null ? [bosId] : encoded;
          return { tokens: begun, text: typeof prompt === 'string' ? prompt : null };
        }),
        echo: body.echo ?? false,
        logprobs: body.logprobs ?? null,
        defaultMaxTokens: DEFAULT_COMPLETION_TOKENS,
        param: 'prompt',
      },
    );
  }

  async chat(context: RequestContext, body: ChatRequest, reply: FastifyReply): Promise<void> {
    const signal = clientSignal(reply);
    const model = await this.#models.find(context, body.model, reply);
    this.#tell(reply, model);
    const tokens = await this.#tokenizers.encodeChat(model.source, messagesOf(body), {
      addGenerationPrompt: body.add_generation_prompt ?? true,
      variables: body.chat_template_kwargs ?? {},
    });
    const logprobs = body.logprobs === true;
    const format = chatFormat(model.tokenizer.table, logprobs);
    await this.#answer(
      { context, reply, signal, model, endpoint: 'chat', format },
      {
        fields: body,
        prompts: [{ tokens, text: null }],
        echo: false,
        logprobs: logprobs ? (body.top_logprobs ?? 0) : null,
        defaultMaxTokens: null,
        param: 'messages',
      },
    );
  }

  #tell(reply: FastifyReply, { resolved }: ServedModel): void {
    namePaths(reply, [resolved]);
    tellCapacity(reply, this.#engine, this.#config);
  }

  async #answer(
    { context, reply, signal, model, endpoint, format }: Exchange,
    options: Omit<GenerationOptions, 'id' | 'kvBudgetBytes' | 'cacheScope'>,
  ): Promise<void> {
    const id = `${format.idPrefix}-${randomUUID()}`;
    const generation = new Generation(model, {
      ...options,
      id,
      kvBudgetBytes: this.#config.engine.kvBudgetBytes,
      cacheScope: cacheScope(context, options.fields.cache_salt),
    });
    const reservation = await this.#limits.reserveTokens(context.caller, reply, generation.tokensAskedFor);
    const trace = this.#traces.begin(model.resolved.path, endpoint, reply.elapsedTime);
    const deltas = generation.run(this.#engine, signal, {
      output: (output) => trace.output(output),
      end: (promptTokens, completionTokens) => {
        trace.end(promptTokens, completionTokens);
        reservation.settle(promptTokens + completionTokens);
      },
    });
    const answer = { id, generation, deltas, format, signal };
    const { stream, stream_options: streamOptions } = options.fields;
    if (!stream) {
      await sendJson(reply, answer);
      return;
    }
    await sendStream(reply, answer, {
      includeUsage: streamOptions?.include_usage ?? false,
      onError: (error) => this.#logger.warn({ err: error.cause ?? error, requestId: reply.request.id }, error.code),
    });
  }
}
