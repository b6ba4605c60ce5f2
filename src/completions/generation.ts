/** From a checked request to rows in the engine, and from their outputs to what is new in each choice. */
import type { EngineClient } from '../engine/engine-client.js';
import { longestRow } from '../engine/kv-size.js';
import type { GenerationRequest, SamplingParams } from '../engine/protocol.js';
import { ContextLengthExceededError } from '../errors/admission.js';
import { InvalidRequestError } from '../errors/requests.js';
import type { RequestTrace } from '../observability/request-traces.js';
import { detokenize } from '../tokenization/detokenizer.js';
import { Choice, type ChoiceDelta } from './choice.js';
import type { Usage } from './dto/answer-fields.js';
import type { GenerationFields } from './dto/generation-fields.js';
import { interleave } from './interleave.js';
import type { ServedModel } from './served-models.js';

const MAX_CHOICES = 128;

export interface GenerationOptions {
  /** Of the answer; rows are named after it. */
  id: string;
  fields: GenerationFields;
  /** Each gives `n` choices. Texts are there for echo. */
  prompts: readonly { tokens: number[]; text: string | null }[];
  echo: boolean;
  /** How many alternatives to report with each token; null reports none. */
  logprobs: number | null;
  /** Tokens to generate where the request doesn't say; null: as many as the context holds. */
  defaultMaxTokens: number | null;
  /** Of the engine: a default takes no more than this holds. */
  kvBudgetBytes: number;
  /** Whose KV the prompts may begin with; undefined: nobody's. */
  cacheScope: string | undefined;
  /** The field that holds the prompt, for errors. */
  param: string;
}

interface Row {
  request: GenerationRequest;
  /** Which of the choices of its prompt. */
  copy: number;
  choice: Choice;
}

export class Generation {
  readonly model: ServedModel;
  readonly #rows: readonly Row[];
  readonly #promptTokens: number;
  /** Prompts', and generated ones as far as the request says how many. */
  readonly tokensAskedFor: number;

  /** Throws what is wrong with the request; nothing runs before `run`. */
  constructor(model: ServedModel, options: GenerationOptions) {
    this.model = model;
    const n = options.fields.n ?? 1;
    if (n * options.prompts.length > MAX_CHOICES) {
      throw new InvalidRequestError(
        `${options.prompts.length} prompts with ${n} choices each are more than ${MAX_CHOICES} choices.`,
        'n',
      );
    }
    this.#rows = options.prompts.flatMap((_, prompt) =>
      Array.from({ length: n }, (_, copy) => plan(model, options, prompt, prompt * n + copy, copy)),
    );
    this.#promptTokens = options.prompts.reduce((sum, { tokens }) => sum + tokens.length, 0);
    this.tokensAskedFor = this.#promptTokens + (askedTokens(options.fields) ?? 0) * this.#rows.length;
  }

  get choices(): number {
    return this.#rows.length;
  }

  get usage(): Usage {
    const completionTokens = this.#rows.reduce((sum, { choice }) => sum + choice.completionTokens, 0);
    return {
      prompt_tokens: this.#promptTokens,
      completion_tokens: completionTokens,
      total_tokens: this.#promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: this.#cachedTokens },
    };
  }

  /** A prompt counts once, as its first choice found it. */
  get #cachedTokens(): number {
    return this.#rows.filter(({ copy }) => copy === 0).reduce((sum, { choice }) => sum + choice.cachedTokens, 0);
  }

  /** Ends early, and quietly, when the signal aborts; leaving the loop ends all rows as well. */
  async *run(engine: EngineClient, signal: AbortSignal, trace: RequestTrace): AsyncGenerator<ChoiceDelta> {
    const leaving = new AbortController();
    const either = AbortSignal.any([signal, leaving.signal]);
    try {
      for await (const delta of interleave(this.#rows.map((row) => runRow(engine, row, either, trace)))) yield delta;
    } finally {
      leaving.abort();
      trace.end(this.usage.prompt_tokens, this.usage.completion_tokens);
    }
  }
}

async function* runRow(
  engine: EngineClient,
  { request, choice }: Row,
  signal: AbortSignal,
  trace: RequestTrace,
): AsyncGenerator<ChoiceDelta> {
  // A stop string ends this row alone.
  const stopped = new AbortController();
  try {
    for await (const output of engine.generate(request, AbortSignal.any([signal, stopped.signal]))) {
      trace.output(output);
      const delta = choice.accept(output);
      if (choice.finished) stopped.abort();
      if (delta) yield delta;
      if (choice.finished) return;
    }
  } finally {
    stopped.abort();
  }
}

function plan(model: ServedModel, options: GenerationOptions, promptIndex: number, index: number, copy: number): Row {
  const { fields, echo, logprobs, param } = options;
  const { tokens, text } = options.prompts[promptIndex] ?? { tokens: [], text: null };
  if (tokens.length === 0) {
    throw new InvalidRequestError(
      'The prompt is empty, and this model has no token that begins a text. Send at least one token.',
      param,
    );
  }
  const maxTokens = maxTokensOf(model, options, tokens.length);
  const stopTokenIds = [...(fields.ignore_eos ? [] : model.endTokenIds), ...(fields.stop_token_ids ?? [])];
  const minTokens = Math.min(fields.min_tokens ?? 0, maxTokens);
  const stop = fields.stop ?? [];
  return {
    copy,
    request: {
      id: `${options.id}-${index}`,
      model: model.source,
      adapters: model.adapters,
      pathDigest: model.resolved.digest,
      prompt: tokens,
      maxTokens,
      stopTokenIds,
      minTokens,
      sampling: samplingOf(model, fields, copy),
      logprobs,
      ...(options.cacheScope === undefined ? {} : { cacheScope: options.cacheScope }),
      scoreFrom: echo && logprobs !== null && tokens.length > 1 ? 1 : null,
    },
    choice: new Choice({
      index,
      table: model.tokenizer.table,
      prompt: tokens,
      echo: echo ? (text ?? detokenize(model.tokenizer.table, tokens)) : null,
      logprobs: logprobs !== null,
      stops: typeof stop === 'string' ? [stop] : stop,
      stopTokenIds,
      includeStop: fields.include_stop_str_in_output ?? false,
      minTokens,
      keepSpecial: fields.skip_special_tokens === false,
    }),
  };
}

function askedTokens(fields: GenerationFields): number | undefined {
  return fields.max_completion_tokens ?? fields.max_tokens ?? undefined;
}

/** What was asked for must fit; a default takes what room there is. */
function maxTokensOf(model: ServedModel, options: GenerationOptions, promptTokens: number): number {
  const { fields, defaultMaxTokens, param } = options;
  const { maxPositions } = model.config;
  const room = maxPositions - promptTokens;
  const asked = askedTokens(fields);
  const least = asked ?? 1;
  if (least > room) throw new ContextLengthExceededError(promptTokens, least, maxPositions, param);
  const affordable = Math.max(1, longestRow(model.config, options.kvBudgetBytes) - promptTokens);
  return asked ?? Math.min(room, affordable, model.defaults.maxNewTokens ?? defaultMaxTokens ?? room);
}

/** As vLLM does: the request, else the checkpoint's generation_config.json, else off. */
function samplingOf(model: ServedModel, fields: GenerationFields, copy: number): SamplingParams {
  const { defaults, config } = model;
  const outside = Object.keys(fields.logit_bias ?? {}).find((token) => Number(token) >= config.vocabSize);
  if (outside !== undefined) {
    throw new InvalidRequestError(
      `Token ${outside} is past the model's vocabulary of ${config.vocabSize}.`,
      'logit_bias',
    );
  }
  return {
    temperature: fields.temperature ?? defaults.temperature ?? 1,
    topK: Math.max(fields.top_k ?? defaults.topK ?? 0, 0),
    topP: fields.top_p ?? defaults.topP ?? 1,
    minP: fields.min_p ?? 0,
    repetitionPenalty: fields.repetition_penalty ?? defaults.repetitionPenalty ?? 1,
    presencePenalty: fields.presence_penalty ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? 0,
    logitBias: fields.logit_bias ?? {},
    // One seed would make all choices of a prompt the same.
    seed: fields.seed == null ? null : fields.seed + copy,
  };
}
