/** How likely a text is under one or several paths: prompts are scored side by side in the engine's batch. */
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { randomUUID } from 'node:crypto';
import { RateLimits } from '../access/rate-limits.js';
import type { RequestContext } from '../access/request-context.js';
import { ENGINE, type EngineClient } from '../engine/engine-client.js';
import { GREEDY, type GenerationRequest, type TokenLogprob } from '../engine/protocol.js';
import { ContextLengthExceededError } from '../errors/admission.js';
import { InvalidRequestError } from '../errors/requests.js';
import { RequestTraces } from '../observability/request-traces.js';
import { tokenText } from '../tokenization/detokenizer.js';
import { namePaths } from './answer-headers.js';
import { cacheScope } from './cache-scope.js';
import { clientSignal } from './client-signal.js';
import type { PathScore, ScoreAnswer, ScoreRequest } from './dto/score-request.js';
import { finite } from './logprobs.js';
import { ServedModels, type ServedModel } from './served-models.js';

interface ScoredText {
  tokens: number[];
  /** Index of the first scored token, ≥ 1. */
  from: number;
}

@Injectable()
export class ScoreService {
  readonly #models: ServedModels;
  readonly #engine: EngineClient;
  readonly #traces: RequestTraces;
  readonly #limits: RateLimits;

  constructor(models: ServedModels, @Inject(ENGINE) engine: EngineClient, traces: RequestTraces, limits: RateLimits) {
    this.#models = models;
    this.#engine = engine;
    this.#traces = traces;
    this.#limits = limits;
  }

  async score(context: RequestContext, body: ScoreRequest, reply: FastifyReply): Promise<void> {
    const signal = clientSignal(reply);
    const models: ServedModel[] = [];
    for (const name of body.models ?? [body.model ?? '']) models.push(await this.#models.find(context, name, reply));
    namePaths(
      reply,
      models.map(({ resolved }) => resolved),
    );
    const texts = await this.#encodeOnce(body, models);
    const promptTokens = texts.reduce((sum, { tokens }) => sum + tokens.length, 0);
    await this.#limits.reserveTokens(context.caller, reply, promptTokens);
    // One failure is everyone's: the others leave the batch.
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const id = `score-${randomUUID()}`;
    const scope = cacheScope(context);
    const scoring = models.map((model, index) =>
      this.#run(
        { id: `${id}-${index}`, ...(scope === undefined ? {} : { cacheScope: scope }) },
        model,
        texts[index] ?? { tokens: [], from: 1 },
        body.logprobs === true,
        either,
      ),
    );
    let data: PathScore[];
    try {
      data = await Promise.all(scoring);
    } catch (error) {
      failed.abort();
      await Promise.allSettled(scoring);
      throw error;
    }
    if (signal.aborted) return;
    const answer: ScoreAnswer = {
      object: 'list',
      data,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    };
    await reply.send(answer);
  }

  /** Paths of one base share its tokens. */
  async #encodeOnce(body: ScoreRequest, models: readonly ServedModel[]): Promise<ScoredText[]> {
    const byBase = new Map<string, ScoredText>();
    for (const model of models) {
      if (!byBase.has(model.source.digest)) byBase.set(model.source.digest, await this.#encode(body, model));
    }
    return models.map(({ source }) => byBase.get(source.digest) ?? { tokens: [], from: 1 });
  }

  async #encode(body: ScoreRequest, model: ServedModel): Promise<ScoredText> {
    const addSpecialTokens = body.add_special_tokens ?? true;
    const param = body.text === undefined ? 'continuation' : 'text';
    const encode = async (...texts: (string | number[])[]): Promise<number[][]> =>
      this.#models.encode(model, texts, { addSpecialTokens, param });
    let scored: ScoredText;
    if (body.text !== undefined) {
      const [tokens = []] = await encode(body.text);
      scored = { tokens, from: 1 };
    } else {
      const { prompt = '', continuation = '' } = body;
      if (typeof prompt === 'string' && typeof continuation === 'string') {
        // Tokens depend on what follows: the text is encoded whole, and a token across the boundary counts as the
        // continuation's.
        const [before = [], tokens = []] = await encode(prompt, prompt + continuation);
        const differs = tokens.findIndex((token, at) => token !== before[at]);
        scored = { tokens, from: Math.max(differs === -1 ? tokens.length : differs, 1) };
      } else {
        const [before = [], after = []] = await encode(prompt === '' ? [] : prompt, continuation);
        scored = { tokens: [...before, ...after], from: Math.max(before.length, 1) };
      }
    }
    const { maxPositions } = model.config;
    if (scored.tokens.length > maxPositions) {
      throw new ContextLengthExceededError(scored.tokens.length, 0, maxPositions, param);
    }
    if (scored.from >= scored.tokens.length) {
      throw new InvalidRequestError('There is no token to score: at least one must stand before it.', param);
    }
    return scored;
  }

  async #run(
    row: Pick<GenerationRequest, 'id' | 'cacheScope'>,
    model: ServedModel,
    { tokens, from }: ScoredText,
    reportTokens: boolean,
    signal: AbortSignal,
  ): Promise<PathScore> {
    const trace = this.#traces.begin(model.resolved.path, 'score');
    const scored: TokenLogprob[] = [];
    try {
      const request = {
        ...row,
        model: model.source,
        adapters: model.adapters,
        pathDigest: model.resolved.digest,
        prompt: tokens,
        maxTokens: 0,
        stopTokenIds: [],
        minTokens: 0,
        sampling: GREEDY,
        logprobs: 0,
        scoreFrom: from,
      };
      for await (const output of this.#engine.generate(request, signal)) {
        trace.output(output);
        if (output.promptLogprobs) scored.push(...output.promptLogprobs);
      }
    } finally {
      trace.end(tokens.length, 0);
    }
    const logLikelihood = scored.reduce((sum, { logprob }) => sum + finite(logprob), 0);
    const { table } = model.tokenizer;
    return {
      model: model.name,
      path_digest: model.resolved.digest,
      log_likelihood: logLikelihood,
      tokens: scored.length,
      // JSON has no infinity.
      perplexity: Math.min(Math.exp(-logLikelihood / Math.max(scored.length, 1)), Number.MAX_VALUE),
      ...(reportTokens
        ? {
            logprobs: scored.map(({ token, logprob }) => ({
              token: tokenText(table, token),
              token_id: token,
              logprob: finite(logprob),
            })),
          }
        : {}),
    };
  }
}
