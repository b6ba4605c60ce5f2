/** HTTP for the commands: JSON in, JSON out, and the service's errors as they were written. */
import { z } from 'zod';
import { pageSchema, type Page } from '../registry/dto/page.js';
import type { Connection } from './connection.js';

const errorBody = z.object({
  error: z.object({ message: z.string(), code: z.string().nullish() }),
});

/** What the service answered, or that it can't be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    message: string,
    readonly code: string,
    /** HTTP status; null where nothing answered. */
    readonly status: number | null,
  ) {
    super(message);
  }

  /** The error in a body or in an event of a stream; null if it holds none. */
  static from(json: unknown, status: number): ApiError | null {
    const parsed = errorBody.safeParse(json);
    if (!parsed.success) return null;
    const { message, code } = parsed.data.error;
    return new ApiError(message, code ?? 'unknown', status);
  }
}

export class ApiClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#json('GET', path, undefined, schema);
  }

  post<T>(path: string, body: unknown, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    return this.#json('POST', path, body, schema, signal);
  }

  patch<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    return this.#json('PATCH', path, body, schema);
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

  /** The body as it arrives, for server-sent events. */
  async stream(path: string, body: unknown, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send('POST', path, JSON.stringify(body), signal);
    if (!response.body) throw new ApiError('The service answered without a body.', 'no_body', response.status);
    return response.body;
  }

  async #json<T>(method: string, path: string, body: unknown, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    const sent = body instanceof FormData ? body : body === undefined ? undefined : JSON.stringify(body);
    const response = await this.#send(method, path, sent, signal);
    const parsed = schema.safeParse(tryJson(await response.text()));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new ApiError(
      `${method} ${path} answered in a form that this version doesn't know${where && ` (${where})`}. Are client and service of one version?`,
      'unknown_answer',
      response.status,
    );
  }

  async #send(method: string, path: string, body?: string | FormData, signal?: AbortSignal): Promise<Response> {
    const { url, key } = this.#connection;
    const headers: Record<string, string> = { authorization: `Bearer ${key}` };
    if (typeof body === 'string') headers['content-type'] = 'application/json';
    let response: Response;
    try {
      response = await fetch(url + path, { method, headers, body, signal });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      const reason = cause instanceof Error && cause.cause instanceof Error ? ` (${cause.cause.message})` : '';
      throw new ApiError(
        `Nothing answers at ${url}${reason}. Is the service running (npm start)?`,
        'unreachable',
        null,
      );
    }
    if (response.ok) return response;
    throw (
      ApiError.from(tryJson(await response.text()), response.status) ??
      new ApiError(`${method} ${path} answered ${response.status}.`, 'unknown', response.status)
    );
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
