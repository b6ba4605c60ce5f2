/** HTTP for the commands: JSON in, JSON out, and the service's errors as they were written. */
import { Agent, FormData, request, type Dispatcher } from 'undici';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { pageSchema, type Page } from '../registry/dto/page.js';
import { ApiError, ConnectionError } from './api-error.js';
import type { Connection } from './connection.js';
import { counted, encoded, type OnBytes } from './counted.js';

const NOT_MODIFIED = 304;

export interface SendOptions {
  /** Sent as JSON; a form as it is. */
  body?: unknown;
  /** The version that the caller saw: the service refuses where another one changed it since. */
  ifVersion?: number;
  headers?: Readonly<Record<string, string>>;
  /** Told of the bytes of the body as they leave. */
  onSent?: OnBytes;
}

export interface Answer {
  status: number;
  etag: string | null;
  /** How many will come; null where the service doesn't say. */
  bytes: number | null;
  body: AsyncIterable<Uint8Array>;
}

/** An import or a text may take any time: the service says when it's done, and Ctrl-C ends what lasts too long. */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0 };

export class ApiClient {
  readonly #connection: Connection;
  readonly #signal: AbortSignal;
  readonly #agent = new Agent(NO_TIMEOUTS);

  constructor(connection: Connection, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
  }

  get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#json('GET', path, schema, {});
  }

  post<T>(path: string, body: unknown, schema: z.ZodType<T>, options: SendOptions = {}): Promise<T> {
    return this.#json('POST', path, schema, { ...options, body });
  }

  patch<T>(path: string, body: unknown, schema: z.ZodType<T>, options: SendOptions = {}): Promise<T> {
    return this.#json('PATCH', path, schema, { ...options, body });
  }

  put<T>(path: string, body: unknown, schema: z.ZodType<T>, options: SendOptions = {}): Promise<T> {
    return this.#json('PUT', path, schema, { ...options, body });
  }

  delete<T>(path: string, schema: z.ZodType<T>, options: SendOptions = {}): Promise<T> {
    return this.#json('DELETE', path, schema, options);
  }

  /** The pages of a list, one after the other, until there are `most` entries. */
  async list<T>(path: string, entry: z.ZodType<T>, most = Infinity): Promise<Page<T>> {
    const data: T[] = [];
    let nextCursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(Math.min(1000, most - data.length)) });
      if (nextCursor !== null) query.set('cursor', nextCursor);
      const url = `${path}${path.includes('?') ? '&' : '?'}${query.toString()}`;
      const page: Page<T> = await this.get(url, pageSchema(entry));
      data.push(...page.data);
      nextCursor = page.nextCursor;
    } while (nextCursor !== null && data.length < most);
    return { data, nextCursor };
  }

  /** What isn't JSON, as it arrives: events, files, lines. */
  async read(method: Dispatcher.HttpMethod, path: string, options: SendOptions = {}): Promise<Answer> {
    const { statusCode, headers, body } = await this.#send(method, path, options);
    const { 'content-length': length, etag } = headers;
    return {
      status: statusCode,
      etag: typeof etag === 'string' ? etag : null,
      bytes: length === undefined ? null : Number(length),
      body: this.#chunks(body),
    };
  }

  async #json<T>(method: Dispatcher.HttpMethod, path: string, schema: z.ZodType<T>, options: SendOptions): Promise<T> {
    const { statusCode, body } = await this.#send(method, path, options);
    const text = await this.#unbroken(body.text());
    const parsed = schema.safeParse(text === '' ? undefined : tryJson(text));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new ApiError(
      `${method} ${path} answered in a form that this version doesn't know${where && ` (${where})`}. Are client and service of one version?`,
      'unknown_answer',
      statusCode,
    );
  }

  async #send(method: Dispatcher.HttpMethod, path: string, options: SendOptions): Promise<Dispatcher.ResponseData> {
    const { url, key } = this.#connection;
    const { body, ifVersion, onSent } = options;
    const headers: Record<string, string> = { ...options.headers, authorization: `Bearer ${key}` };
    if (ifVersion !== undefined) headers['if-match'] = `"${ifVersion}"`;
    let sent: string | Readable | undefined;
    if (body instanceof FormData) {
      const form = encoded(body);
      sent = Readable.from(counted(form.bytes, onSent), { objectMode: false });
      headers['content-type'] = form.contentType;
    } else if (body !== undefined) {
      sent = JSON.stringify(body);
      headers['content-type'] = 'application/json';
    }
    // Not fetch: undici's reads a body faster than it leaves, so all of an upload would come to lie in memory.
    const answer = await this.#unbroken(
      request(url + path, { method, headers, body: sent, signal: this.#signal, dispatcher: this.#agent }),
    );
    if (answer.statusCode < 300 || answer.statusCode === NOT_MODIFIED) return answer;
    const text = await this.#unbroken(answer.body.text());
    throw (
      ApiError.from(tryJson(text), answer.statusCode) ??
      new ApiError(`${method} ${path} answered ${answer.statusCode}.`, 'unknown', answer.statusCode)
    );
  }

  async *#chunks(body: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) if (chunk instanceof Uint8Array) yield chunk;
    } catch (cause) {
      throw this.#broken(cause);
    }
  }

  /** What breaks on the way is said as such; Ctrl-C as itself. */
  async #unbroken<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw this.#broken(cause);
    }
  }

  #broken(cause: unknown): unknown {
    return this.#signal.aborted ? this.#signal.reason : new ConnectionError(this.#connection.url, cause);
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
