/** One WebSocket and the protocol above it: what graphql-ws does itself, but for its errors going to the log. */
import { CloseCode, type Server } from 'graphql-ws';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Caller } from '../../access/scope.js';
import type { Logger } from '../../logger.js';

export interface Connection extends Record<PropertyKey, unknown> {
  socket: WebSocket;
  request: IncomingMessage;
  /** Both are set once it is known who calls. */
  key?: string;
  caller?: Caller;
}

/** A peer that answers no ping for as long is gone. */
const PING_EVERY_MS = 15_000;

export function attach(server: Server<Connection>, connection: Connection, logger: Logger): void {
  const { socket } = connection;
  const closed = server.opened(
    {
      protocol: socket.protocol,
      send: (text) => sent(socket, text),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) => {
        socket.on('message', (data: Buffer) => {
          take(data.toString()).catch((error: unknown) => {
            logger.error({ err: error }, 'a message on a socket could not be handled');
            socket.close(CloseCode.InternalServerError, 'Internal server error');
          });
        });
      },
    },
    connection,
  );
  let isAlive = true;
  const pings = setInterval(() => {
    if (!isAlive) socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_EVERY_MS).unref();
  socket.on('pong', () => (isAlive = true));
  // What the peer did to the line: the close that follows says enough.
  socket.on('error', (error) => logger.debug({ err: error }, 'a socket failed'));
  socket.once('close', (code, reason) => {
    clearInterval(pings);
    void closed(code, reason.toString());
  });
}

/** Resolves once the line has taken it, so that a slow reader holds up its own subscription and nothing else. */
function sent(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) resolve();
    else socket.send(text, () => resolve());
  });
}
