/**
 * Bodies have to come at some pace, so that nobody holds connections open by sending a byte now and then. It is asked of
 * each period anew rather than of the whole: an adapter of gigabytes may take hours, as long as it comes.
 */
import type { IncomingMessage } from 'node:http';

/** Any connection that deserves the name brings as much in any period that one would set. */
const LEAST_BYTES = 4 * 1024;

/** Calls `tooSlow` at most once, if too little came in a period and the body isn't complete. */
export function watchPace(request: IncomingMessage, periodMs: number, tooSlow: () => void): void {
  const { socket, headers } = request;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return;
  let seen = socket.bytesRead;
  const timer = setInterval(() => {
    const came = socket.bytesRead - seen;
    seen = socket.bytesRead;
    // Bytes that lie here unread: then it is the service that is slow.
    if (came >= LEAST_BYTES || request.readableLength > 0) return;
    clearInterval(timer);
    if (!request.complete) tooSlow();
  }, periodMs);
  timer.unref();
  for (const end of ['end', 'close'] as const) request.once(end, () => clearInterval(timer));
}
