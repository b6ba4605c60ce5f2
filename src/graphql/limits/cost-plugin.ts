/** Refuses what costs too much, once it is known which operation of the document runs, and with which variables. */
import type { ApolloServerPlugin } from '@apollo/server';
import { getVariableValues, GraphQLError, OperationTypeNode } from 'graphql';
import type { EspalierError } from '../../errors/espalier-error.js';
import { GraphqlInvalidError, GraphqlLimitError } from '../../errors/graphql.js';
import { queryCost, type CountedOperation } from './query-cost.js';

export function costPlugin(limit: number): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ schema, document, operation, request }) => {
          if (!operation) return Promise.resolve();
          if (operation.operation === OperationTypeNode.SUBSCRIPTION) refuseHere();
          refuseCostly({ schema, document, operation, variables: request.variables ?? {} }, limit);
          return Promise.resolve();
        },
      }),
  };
}

/** `variables`: as they came. */
export function refuseCostly({ variables, ...counted }: CountedOperation, limit: number): void {
  const { coerced } = getVariableValues(counted.schema, counted.operation.variableDefinitions ?? [], { ...variables });
  // Variables that don't fit are refused by the execution, which then does nothing.
  const cost = coerced ? queryCost({ ...counted, variables: coerced }) : 0;
  if (cost <= limit) return;
  throw refusal(new GraphqlLimitError('cost', limit, cost));
}

function refuseHere(): never {
  throw refusal(
    new GraphqlInvalidError('A subscription needs a WebSocket: connect to this path by graphql-transport-ws.'),
  );
}

function refusal(originalError: EspalierError): GraphQLError {
  return new GraphQLError(originalError.message, { originalError, extensions: { http: { status: 400 } } });
}
