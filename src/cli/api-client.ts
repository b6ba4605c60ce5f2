/** HTTP for the commands: JSON in, JSON out, and the service's errors as they were written. */
import { z } from 'zod';
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
    readonly status: number | null,
  ) {
    super(message);
  }
}

export class ApiClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return schema.parse(await (await this.#send('GET', path)).json());
  }

  async post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    const response = await this.#send('POST', path, body instanceof FormData ? body : JSON.stringify(body));
    return schema.parse(await response.json());
  }

  /** The body as it arrives, for server-sent events. */
  async stream(path: string, body: unknown, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send('POST', path, JSON.stringify(body), signal);
    if (!response.body) throw new ApiError('The service answered without a body.', 'no_body', response.status);
    return response.body;
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
      throw new ApiError(`Nothing answers at ${url}. Is the service running (npm start)?`, 'unreachable', null);
    }
    if (response.ok) return response;
    const text = await response.text();
    const parsed = errorBody.safeParse(tryJson(text));
    if (parsed.success) {
      const { message, code } = parsed.data.error;
      throw new ApiError(message, code ?? 'unknown', response.status);
    }
    throw new ApiError(`${method} ${path} answered ${response.status}.`, 'unknown', response.status);
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
