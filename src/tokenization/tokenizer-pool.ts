/**
 * Tokenizing off the HTTP thread, in worker threads, under a cap of bytes and a deadline. Some texts take time that
 * grows out of all proportion (1 MB of one letter: 25 s), and a running tokenizer can't be interrupted: past the
 * deadline its thread is ended, and the pool starts another.
 */
import { LRUCache } from 'lru-cache';
import { Piscina } from 'piscina';
import { EspalierError } from '../errors/espalier-error.js';
import { PromptTooLargeError, TokenizationQueueFullError, TokenizationTimeoutError } from '../errors/tokenization.js';
import type { ChatMessage, ChatOptions } from './chat-template.js';
import type { TokenizerSummary } from './checkpoint-tokenizer.js';
import { TokenTable } from './token-table.js';
import type { JobStarted, TokenizerJob, TokenizerResult, TokenizerSource, TokenizerWork } from './tokenizer-job.js';

export interface TokenizerPoolOptions {
  workers: number;
  /** For one job, from the moment that a worker begins with it. */
  timeoutMs: number;
  /** Of text in one job. */
  maxBytes: number;
  /** For the worker threads' Node. */
  execArgv?: string[];
}

/** What the HTTP thread knows of a model's tokenizer. */
export interface Tokenizer extends Omit<TokenizerSummary, 'table'> {
  table: TokenTable;
}

const MAX_QUEUE = 256;

export class TokenizerPool {
  readonly #pool: Piscina<TokenizerJob, TokenizerResult>;
  readonly #options: TokenizerPoolOptions;
  readonly #tokenizers = new LRUCache<string, Promise<Tokenizer>>({ max: 8 });
  readonly #whenStarted = new Map<number, () => void>();
  #lastJob = 0;

  constructor(options: TokenizerPoolOptions) {
    this.#options = options;
    this.#pool = new Piscina<TokenizerJob, TokenizerResult>({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: options.workers,
      maxThreads: options.workers,
      maxQueue: MAX_QUEUE,
      execArgv: options.execArgv,
    });
    this.#pool.on('message', (message: JobStarted) => this.#whenStarted.get(message.started)?.());
    // A worker that dies rejects the job that it had; the event itself has no further news.
    this.#pool.on('error', () => undefined);
  }

  /** Reads a model's tokenizer, once. */
  async tokenizer(source: TokenizerSource): Promise<Tokenizer> {
    let loading = this.#tokenizers.get(source.digest);
    if (!loading) {
      loading = this.#load(source);
      this.#tokenizers.set(source.digest, loading);
      // A folder that couldn't be read may be mended.
      loading.catch(() => this.#tokenizers.delete(source.digest));
    }
    return loading;
  }

  /** Users' texts: nothing in them becomes a special token. `addSpecialTokens` adds the checkpoint's own (BOS). */
  async encode(source: TokenizerSource, texts: readonly string[], addSpecialTokens: boolean): Promise<number[][]> {
    this.#checkBytes(texts);
    return this.#encoded(source, { type: 'encode', texts, addSpecialTokens });
  }

  /** A conversation through the model's chat template. */
  async encodeChat(source: TokenizerSource, messages: readonly ChatMessage[], options: ChatOptions): Promise<number[]> {
    const texts = messages.flatMap(({ content, name }) => [content, name ?? '']);
    this.#checkBytes([...texts, ...stringsIn(options.variables)]);
    const [tokens] = await this.#encoded(source, { type: 'chat', messages, options });
    return tokens ?? [];
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #checkBytes(texts: readonly string[]): void {
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (bytes > this.#options.maxBytes) throw new PromptTooLargeError(bytes, this.#options.maxBytes);
  }

  async #load(source: TokenizerSource): Promise<Tokenizer> {
    const result = await this.#run(source, { type: 'load' });
    if (result.type !== 'loaded') throw new TypeError(`A tokenizer worker answered "load" with "${result.type}".`);
    const { table, ...rest } = result.summary;
    return { ...rest, table: new TokenTable(table) };
  }

  async #encoded(source: TokenizerSource, work: TokenizerWork): Promise<number[][]> {
    const result = await this.#run(source, work);
    if (result.type !== 'encoded') throw new TypeError(`A tokenizer worker answered with "${result.type}".`);
    return result.tokens;
  }

  async #run(source: TokenizerSource, work: TokenizerWork): Promise<TokenizerResult> {
    if (this.#pool.queueSize >= MAX_QUEUE) throw new TokenizationQueueFullError(this.#pool.queueSize);
    const id = ++this.#lastJob;
    const deadline = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    this.#whenStarted.set(id, () => {
      timer = setTimeout(() => deadline.abort(), this.#options.timeoutMs);
    });
    try {
      const result = await this.#pool.run({ id, source, work }, { signal: deadline.signal });
      if (result.type === 'failed') throw EspalierError.from(result.error);
      return result;
    } catch (error) {
      if (deadline.signal.aborted) throw new TokenizationTimeoutError(this.#options.timeoutMs);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#whenStarted.delete(id);
    }
  }
}

/** All texts of a value, the names of its fields included. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => [name, ...stringsIn(item)]);
}
