/** HTTP for the commands: JSON in, JSON out, and the service's errors as they were written. */
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { pageSchema, type Page } from '../registry/dto/page.js';
import { ApiError, ConnectionError } from './api-error.js';
import type { Connection } from './connection.js';
import { counted, EncodedForm, type OnBytes } from './counted.js';
import { send, type HttpAnswer } from './http.js';

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
  /** Instead of reading the body: until either, the connection is kept, and with it the process. */
  leave(): void;
}

export class ApiClient {
  readonly #connection: Connection;
  readonly #signal: AbortSignal;

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
  async read(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const { status, headers, body } = await this.#send(method, path, options);
    const { 'content-length': length, etag = null } = headers;
    return {
      status,
      etag,
      bytes: length === undefined ? null : Number(length),
      body: this.#chunks(body),
      leave: () => void body.destroy(),
    };
  }

  async #json<T>(method: string, path: string, schema: z.ZodType<T>, options: SendOptions): Promise<T> {
    const { status, body } = await this.#send(method, path, options);
    const said = await this.#unbroken(text(body));
    const parsed = schema.safeParse(said === '' ? undefined : tryJson(said));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new ApiError(
      `${method} ${path} answered in a form that this version doesn't know${where && ` (${where})`}. Are client and service of one version?`,
      'unknown_answer',
      status,
    );
  }

  async #send(method: string, path: string, options: SendOptions): Promise<HttpAnswer> {
    const { url, key } = this.#connection;
    const { body, ifVersion, onSent } = options;
    const headers: Record<string, string> = { ...options.headers, authorization: `Bearer ${key}` };
    if (ifVersion !== undefined) headers['if-match'] = `"${ifVersion}"`;
    let sent: string | Readable | undefined;
    if (body instanceof EncodedForm) {
      sent = Readable.from(counted(body.bytes, onSent), { objectMode: false });
      headers['content-type'] = body.contentType;
    } else if (body !== undefined) {
      sent = JSON.stringify(body);
      headers['content-type'] = 'application/json';
    }
    const answer = await this.#unbroken(send(url + path, { method, headers, body: sent, signal: this.#signal }));
    const { status } = answer;
    if (status < 300 || status === NOT_MODIFIED) return answer;
    const said = await this.#unbroken(text(answer.body));
    throw (
      ApiError.from(tryJson(said), status) ?? new ApiError(`${method} ${path} answered ${status}.`, 'unknown', status)
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
