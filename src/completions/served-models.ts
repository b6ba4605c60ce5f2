/** What `model` of a request names: a path, with all that is needed to generate on it. */
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { RequestContext } from '../access/request-context.js';
import type { AdapterUse, ModelSource } from '../engine/protocol.js';
import { ModelNotFoundError } from '../errors/completions.js';
import { EspalierError } from '../errors/espalier-error.js';
import { InvalidRequestError } from '../errors/requests.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { readGenerationConfig, type GenerationDefaults } from '../formats/checkpoint/generation-config.js';
import { PathTraffic } from '../registry/merges/path-traffic.js';
import { RegistryService } from '../registry/registry.service.js';
import { TokenizerPool, type Tokenizer } from '../tokenization/tokenizer-pool.js';
import type { ResolvedPath } from '../tree/resolved-path.js';
import { RunningNodes } from './running-nodes.js';

export interface ServedModel {
  /** As the request wrote it. */
  name: string;
  resolved: ResolvedPath;
  source: ModelSource;
  config: ModelConfig;
  adapters: AdapterUse[];
  tokenizer: Tokenizer;
  defaults: GenerationDefaults;
  /** Any of them ends a text. */
  endTokenIds: readonly number[];
}

@Injectable()
export class ServedModels {
  readonly #registry: RegistryService;
  readonly #tokenizers: TokenizerPool;
  readonly #running: RunningNodes;
  readonly #traffic: PathTraffic;
  readonly #defaults = new LRUCache<string, GenerationDefaults>({ max: 64 });

  constructor(registry: RegistryService, tokenizers: TokenizerPool, running: RunningNodes, traffic: PathTraffic) {
    this.#registry = registry;
    this.#tokenizers = tokenizers;
    this.#running = running;
    this.#traffic = traffic;
  }

  /** For an answer, until whose end the nodes of the path count as running. */
  async find(context: RequestContext, name: string, reply: FastifyReply): Promise<ServedModel> {
    const resolved = await asModelField(() => {
      const found = this.#registry.resolve(context, name);
      this.#running.hold(found, reply);
      return found;
    });
    const { config } = this.#registry.model(resolved.model.id);
    const source = this.#registry.modelSource(resolved.model.id);
    const [tokenizer, defaults] = await Promise.all([this.#tokenizers.tokenizer(source), this.#defaultsOf(source)]);
    const endTokenIds = [...new Set([...defaults.eosTokenIds, ...(tokenizer.eosId === null ? [] : [tokenizer.eosId])])];
    const adapters = await this.#registry.adapterUses(resolved);
    this.#registry.recordServed(resolved);
    this.#traffic.note(resolved);
    return { name, resolved, source, config, adapters, tokenizer, defaults, endTokenIds };
  }

  /** Texts as their tokens; lists of tokens are checked and taken as they are. */
  async encode(
    model: ServedModel,
    prompts: readonly (string | number[])[],
    options: { addSpecialTokens: boolean; param: string },
  ): Promise<number[][]> {
    const texts = prompts.filter((prompt) => typeof prompt === 'string');
    const encoded =
      texts.length === 0 ? [] : await this.#tokenizers.encode(model.source, texts, options.addSpecialTokens);
    let next = 0;
    return prompts.map((prompt) => {
      const tokens = typeof prompt === 'string' ? (encoded[next++] ?? []) : prompt;
      const unknown = tokens.find((token) => token >= model.config.vocabSize);
      if (unknown === undefined) return tokens;
      const { vocabSize } = model.config;
      throw new InvalidRequestError(`Token ${unknown} is past the model's vocabulary of ${vocabSize}.`, options.param);
    });
  }

  async #defaultsOf(source: ModelSource): Promise<GenerationDefaults> {
    const known = this.#defaults.get(source.digest);
    if (known) return known;
    const defaults = await readGenerationConfig(source.folder);
    this.#defaults.set(source.digest, defaults);
    return defaults;
  }
}

/** Errors of the path, as errors of the field that holds it; a path that doesn't exist by the code that clients know. */
export async function asModelField<T>(resolve: () => T | Promise<T>): Promise<T> {
  try {
    return await resolve();
  } catch (error) {
    if (!(error instanceof EspalierError) || error.param !== 'path') throw error;
    if (error.code === 'path_not_found') throw new ModelNotFoundError(error.message, error.details);
    throw EspalierError.from({ ...error.toShape(), param: 'model' });
  }
}
