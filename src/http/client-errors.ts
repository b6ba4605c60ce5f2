/** What the HTTP parser refuses never becomes a request: the answer is written to the socket as it is. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { EspalierError } from '../errors/espalier-error.js';
import { HeadersTooLargeError, MalformedHttpError, RequestTimeoutError } from '../errors/requests.js';
import type { Logger } from '../logger.js';
import { errorBody } from './error-body.js';

export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { timeoutMs, logger }: { timeoutMs: number; logger: Logger },
): void {
  // It is gone, or an answer is on its way already, which bytes of another one would corrupt.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const refused = refusal(error, timeoutMs);
  const requestId = randomUUID();
  const body = JSON.stringify(errorBody(refused.toShape()));
  logger.debug({ requestId, code: error.code, status: refused.status }, 'no request could be read');
  socket.end(
    [
      `HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status] ?? ''}`,
      `X-Request-Id: ${requestId}`,
      'X-Content-Type-Options: nosniff',
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function refusal({ code }: NodeJS.ErrnoException, timeoutMs: number): EspalierError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new RequestTimeoutError(timeoutMs);
  return code === 'HPE_HEADER_OVERFLOW' ? new HeadersTooLargeError() : new MalformedHttpError();
}
