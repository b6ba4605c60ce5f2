/** What the HTTP parser refuses never becomes a request: the answer is written to the socket as it is. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type EspalierError, HeadersTooLargeError, MalformedHttpError, RequestTimeoutError } from '../errors.js';
import { errorBody } from './error-body.js';

export function answerClientError(error: NodeJS.ErrnoException, socket: Socket, timeoutMs: number): void {
  // It is gone, or an answer is on its way already, which bytes of another one would corrupt.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const refused = refusal(error, timeoutMs);
  const body = JSON.stringify(errorBody(refused.toShape()));
  socket.end(
    [
      `HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status] ?? ''}`,
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
