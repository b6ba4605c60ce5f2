/**
 * Errors in `errors`: the same codes, statuses and details as on every other surface, in `extensions`. What isn't an error
 * of ours is either Apollo's refusal of the document, or a fault, which is logged and not told.
 */
import { ApolloServerErrorCode, ApolloServerValidationErrorCode } from '@apollo/server/errors';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { randomUUID } from 'node:crypto';
import { EspalierError } from '../errors/espalier-error.js';
import {
  GraphqlInvalidError,
  GraphqlLimitError,
  GraphqlSyntaxError,
  IntrospectionOffError,
} from '../errors/graphql.js';
import { InternalError } from '../errors/requests.js';
import type { Logger } from '../logger.js';

export type ErrorFormatter = (formatted: GraphQLFormattedError, thrown: unknown) => GraphQLFormattedError;

export function errorFormatter(logger: Logger): ErrorFormatter {
  return (formatted, thrown) => {
    const error = knownError(thrown) ?? refusedByApollo(formatted) ?? fault(thrown, logger);
    return { ...formatted, message: error.message, extensions: extensionsOf(error) };
  };
}

/** What went wrong outside of any resolver of ours, where nothing knows the request any more. */
function fault(thrown: unknown, logger: Logger): InternalError {
  const id = randomUUID();
  logger.error({ err: thrown, requestId: id }, 'internal_error');
  return new InternalError(id, thrown);
}

export function extensionsOf({
  code,
  status,
  param,
  details,
  retryAfterSeconds,
}: EspalierError): Record<string, unknown> {
  const more = { param, details, retryAfterSeconds };
  return { code, status, ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined)) };
}

/** Of ours, however often it was wrapped. */
export function knownError(thrown: unknown): EspalierError | null {
  let error = thrown;
  while (error instanceof GraphQLError) error = error.originalError;
  return error instanceof EspalierError ? error : null;
}

/** Null: it isn't Apollo's. */
function refusedByApollo({ message, extensions }: GraphQLFormattedError): EspalierError | null {
  switch (extensions?.['code']) {
    case ApolloServerErrorCode.GRAPHQL_PARSE_FAILED:
      return syntaxError(message);
    case ApolloServerErrorCode.GRAPHQL_VALIDATION_FAILED:
      if (extensions['validationErrorCode'] === ApolloServerValidationErrorCode.INTROSPECTION_DISABLED)
        return new IntrospectionOffError();
      return new GraphqlInvalidError(message);
    case ApolloServerErrorCode.BAD_USER_INPUT:
    case ApolloServerErrorCode.BAD_REQUEST:
    case ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE:
      return new GraphqlInvalidError(message);
    default:
      return null;
  }
}

/** The parser counts tokens, and has words of its own where there are too many. */
export function syntaxError(message: string): EspalierError {
  const tokens = /contains more that (\d+) tokens/.exec(message)?.[1];
  return tokens === undefined ? new GraphqlSyntaxError(message) : new GraphqlLimitError('tokens', Number(tokens));
}
