/** What every resolver of one operation shares. */
import { Context as GqlContext } from '@nestjs/graphql';
import type { AskingRequest, RequestContext } from '../access/request-context.js';
import type { Loaders } from './loaders.js';

export interface GraphqlContext {
  /** The HTTP request, or what stands for it on a socket. Guards and `@Context()` look here for who asks. */
  req: AskingRequest;
  context: RequestContext;
  loaders: Loaders;
}

/** On a parameter of a resolver: the operation's loaders. */
export function Load(): ParameterDecorator {
  return GqlContext('loaders');
}
