/** Who asks, and by which request: handed from the controller or resolver to every service that reads or writes. */
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { InvalidApiKeyError } from '../errors/access.js';
import type { Caller } from './scope.js';

export interface RequestContext {
  caller: Caller;
  requestId: string;
}

/** The service itself, when it imports the demo tree. */
export const SYSTEM: RequestContext = {
  caller: {
    keyId: null,
    keyName: 'espalier',
    scopes: ['admin'],
    subtree: null,
    limits: { requestsPerMinute: null, tokensPerMinute: null },
  },
  requestId: 'system',
};

/** An HTTP request, or what stands for one where a connection carries several. */
export type AskingRequest = Pick<FastifyRequest, 'id' | 'caller'> & {
  routeOptions: { config: { public?: boolean } };
};

export function contextOf({ caller, id }: Pick<AskingRequest, 'id' | 'caller'>): RequestContext {
  if (!caller) throw new InvalidApiKeyError(false);
  return { caller, requestId: id };
}

/** On a parameter of a handler whose route needs a key; for HTTP and, by the request in its context, for GraphQL. */
export const Context = createParamDecorator((_data: unknown, execution: ExecutionContext): RequestContext =>
  contextOf(requestOf(execution)),
);

/** The request behind a handler of either kind. */
export function requestOf(execution: ExecutionContext): AskingRequest {
  if (execution.getType<'http' | 'graphql'>() === 'graphql') {
    const [, , graphql] = execution.getArgs<[unknown, unknown, { req: AskingRequest }]>();
    return graphql.req;
  }
  return execution.switchToHttp().getRequest<AskingRequest>();
}
