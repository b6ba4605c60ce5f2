/**
 * One HTTP request: its body leaves as fast as the service takes it, the answer's comes as fast as somebody reads it.
 *
 * Neither fetch, which reads a body faster than it leaves, so that all of an upload would come to lie in memory; nor a client
 * of a package, which would take longer to load than most commands run.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { pipeline, type Readable } from 'node:stream';

export interface HttpRequest {
  method: string;
  headers: Readonly<Record<string, string>>;
  body: string | Readable | undefined;
  signal: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
}

/** Beyond this nobody is there. What the service takes for its answer has no limit: an import may take any time. */
const CONNECT_TIMEOUT_MS = 10_000;

export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError';
  readonly code = 'CONNECT_TIMEOUT';

  constructor() {
    super(`no connection in ${CONNECT_TIMEOUT_MS / 1000} s`);
  }
}

/** Resolves when the answer begins. */
export async function send(url: string, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  const { request } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, signal });
    // What goes wrong after the answer has begun, its reader is told by its stream.
    outgoing.on('error', reject);
    outgoing.on('socket', (socket) => {
      if (!socket.connecting) return;
      const limit = setTimeout(() => outgoing.destroy(new ConnectTimeoutError()), CONNECT_TIMEOUT_MS);
      for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(limit));
    });
    outgoing.on('response', (answer) => {
      // A refusal in the middle of an upload: nobody reads the rest.
      answer.once('end', () => outgoing.writableFinished || outgoing.destroy());
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    });
    if (typeof body === 'object') pipeline(body, outgoing, (error) => error && reject(error));
    else outgoing.end(body);
  });
}
