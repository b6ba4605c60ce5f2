/**
 * Subscriptions over WebSockets (protocol graphql-transport-ws), at the same path as HTTP. The key comes in the header
 * `Authorization`, or, from browsers, which can't set that, as `authorization` in the parameters of the connection.
 * Sockets carry subscriptions alone, and end when their key does.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { GraphQLSchemaHost } from '@nestjs/graphql';
import { GraphQLError } from 'graphql';
import { CloseCode, makeServer, type Context, type Server } from 'graphql-ws';
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { ApiKeys } from '../../access/api-keys.js';
import { bearerKey } from '../../access/authentication.js';
import { contextOf } from '../../access/request-context.js';
import type { Caller } from '../../access/scope.js';
import { CONFIG, type Config } from '../../config.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { TooManySubscriptionsError } from '../../errors/graphql.js';
import { Lifecycle } from '../../http/lifecycle.js';
import { LOGGER, type Logger } from '../../logger.js';
import { BatchReads } from '../../registry/batch-reads.js';
import { GRAPHQL_PATH } from '../apollo-options.js';
import { errorFormatter, type ErrorFormatter } from '../error-format.js';
import type { GraphqlContext } from '../graphql-context.js';
import { Loaders } from '../loaders.js';
import { attach, type Connection } from './socket.js';
import { checkedSubscription, type SubscribeRequest } from './subscription-check.js';

/** As in RFC 6455. */
const GOING_AWAY = 1001;
const MAX_SOCKETS = 1_000;
const MAX_SUBSCRIPTIONS = 50;
const MAX_MESSAGE_BYTES = 64 * 1024;

/** How soon a socket ends after its key. */
const CHECK_KEYS_EVERY_MS = 1_000;

type SocketContext = Context<Record<string, unknown>, Connection>;

@Injectable()
export class SocketServer implements OnApplicationBootstrap {
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, clientTracking: false });
  readonly #open = new Set<Connection>();
  readonly #format: ErrorFormatter;
  readonly #graphql: Server<Connection>;

  constructor(
    private readonly http: HttpAdapterHost,
    private readonly schema: GraphQLSchemaHost,
    private readonly keys: ApiKeys,
    private readonly reads: BatchReads,
    private readonly lifecycle: Lifecycle,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.#format = errorFormatter(logger);
    this.#graphql = makeServer<Record<string, unknown>, Connection>({
      onConnect: (context) => this.#authenticate(context),
      onSubscribe: (context, _id, payload) => this.#subscribe(context, payload),
      onError: (_context, _id, _payload, errors) => errors.map((error) => this.#format(error.toJSON(), error)),
      onNext: (_context, _id, _payload, _args, { errors, ...result }) => ({
        ...result,
        ...(errors ? { errors: errors.map((error) => this.#format(error.toJSON(), error)) } : {}),
      }),
    });
  }

  onApplicationBootstrap(): void {
    const server = this.http.httpAdapter.getHttpServer() as HttpServer;
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    const checks = setInterval(() => void this.#endWithKeys(), CHECK_KEYS_EVERY_MS).unref();
    this.lifecycle.signal.addEventListener('abort', () => {
      clearInterval(checks);
      for (const { socket } of this.#open) socket.close(GOING_AWAY, 'The service is stopping.');
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?', 1)[0] !== GRAPHQL_PATH) refuse(socket, 404);
    else if (this.lifecycle.stopping || this.#open.size >= MAX_SOCKETS) refuse(socket, 503);
    else this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#serve(opened, request));
  }

  #serve(socket: WebSocket, request: IncomingMessage): void {
    const connection: Connection = { socket, request };
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
    attach(this.#graphql, connection, this.logger);
  }

  async #authenticate({ extra, connectionParams }: SocketContext): Promise<boolean> {
    const header = connectionParams?.['authorization'] ?? extra.request.headers.authorization;
    const key = typeof header === 'string' ? bearerKey(header) : undefined;
    if (key === undefined) return false;
    extra.caller = await this.#callerOf(key);
    extra.key = key;
    return extra.caller !== undefined;
  }

  /** Revoked or expired. */
  async #endWithKeys(): Promise<void> {
    for (const { socket, key } of this.#open) {
      if (key !== undefined && !(await this.#callerOf(key))) socket.close(CloseCode.Forbidden, 'Forbidden');
    }
  }

  /** Undefined where the key isn't good, and where nobody can tell. */
  async #callerOf(key: string): Promise<Caller | undefined> {
    try {
      return (await this.keys.callerOf(key)) ?? undefined;
    } catch (error) {
      if (error instanceof EspalierError) return undefined;
      throw error;
    }
  }

  #subscribe({ extra: { caller }, subscriptions }: SocketContext, payload: SubscribeRequest) {
    const { schema } = this.schema;
    try {
      if (Object.keys(subscriptions).length > MAX_SUBSCRIPTIONS) throw new TooManySubscriptionsError(MAX_SUBSCRIPTIONS);
      const document = checkedSubscription(schema, this.config.graphql, payload);
      const { operationName, variables } = payload;
      return { schema, document, operationName, variableValues: variables, contextValue: this.#contextFor(caller) };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      if (error instanceof EspalierError) return [new GraphQLError(error.message, { originalError: error })];
      throw error;
    }
  }

  #contextFor(caller: Caller | undefined): GraphqlContext {
    const req = { id: randomUUID(), caller, routeOptions: { config: {} } };
    const context = contextOf(req);
    return { req, context, loaders: new Loaders(this.reads, context, { remember: false }) };
  }
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
