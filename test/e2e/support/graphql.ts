/** GraphQL clients as other people's: graphql-request over HTTP, graphql-ws over a socket. */
import { ClientError, GraphQLClient } from 'graphql-request';
import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';
import type { TestService } from './service.js';

export interface GraphqlError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; status: number; param?: string; details?: Record<string, unknown> };
}

/** Status and errors of an operation that is refused as a whole. */
export interface Refusal {
  status: number;
  errors: GraphqlError[];
}

export class GraphqlCaller {
  readonly #service: TestService;
  readonly #key: string | null;

  /** Default: the admin key. Null sends none. */
  constructor(service: TestService, key: string | null = service.keys.admin) {
    this.#service = service;
    this.#key = key;
  }

  run<T = Record<string, unknown>>(document: string, variables: Record<string, unknown> = {}): Promise<T> {
    return this.#client().request<T>(document, variables);
  }

  /** The only field of an operation that has one. */
  async one<T = Record<string, unknown>>(document: string, variables: Record<string, unknown> = {}): Promise<T> {
    const [value] = Object.values(await this.run<Record<string, T>>(document, variables));
    return value!;
  }

  async refusal(document: string, variables: Record<string, unknown> = {}): Promise<Refusal> {
    try {
      await this.run(document, variables);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const { status, errors } = error.response;
      return { status, errors: (errors ?? []) as unknown as GraphqlError[] };
    }
    throw new Error('the operation was not refused');
  }

  /** `header`: the key goes with the request that opens the socket, else in the parameters of the connection. */
  socket({ header = false } = {}): Client {
    const authorization = `Bearer ${this.#key ?? ''}`;
    class WithHeader extends WebSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(url, protocols, header ? { headers: { authorization } } : {});
      }
    }
    return createClient({
      url: `${this.#service.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WithHeader,
      connectionParams: header ? {} : { authorization },
      retryAttempts: 0,
    });
  }

  #client(): GraphQLClient {
    return new GraphQLClient(`${this.#service.url}/graphql`, {
      headers: this.#key === null ? {} : { authorization: `Bearer ${this.#key}` },
    });
  }
}
