/** What HTTP's pipeline checks of a document, for a socket: the same limits, and subscriptions alone. */
import {
  getOperationAST,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type GraphQLSchema,
} from 'graphql';
import type { Config } from '../../config.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { GraphqlInvalidError } from '../../errors/graphql.js';
import { syntaxError } from '../error-format.js';
import { refuseCostly } from '../limits/cost-plugin.js';
import { documentRules } from '../limits/document-rules.js';

export interface SubscribeRequest {
  query: string;
  operationName?: string | null;
  variables?: Record<string, unknown> | null;
}

/** Throws what is wrong with it. */
export function checkedSubscription(
  schema: GraphQLSchema,
  { limits, introspection }: Config['graphql'],
  { query, operationName, variables }: SubscribeRequest,
): DocumentNode {
  const document = parsed(query, limits.tokens);
  const rules = [...specifiedRules, ...documentRules(limits)];
  const [problem] = validate(schema, document, introspection ? rules : [...rules, NoSchemaIntrospectionCustomRule]);
  if (problem) throw problem.originalError instanceof EspalierError ? problem : wrapped(problem, introspection);
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
    throw new GraphqlInvalidError('Name one subscription. Queries and mutations go over HTTP.');
  }
  refuseCostly({ schema, document, operation, variables: variables ?? {} }, limits.cost);
  return document;
}

function parsed(query: string, maxTokens: number): DocumentNode {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    throw error instanceof GraphQLError ? syntaxError(error.message) : error;
  }
}

/** Where the schema isn't shown, neither are the names that the caller might have meant. */
function wrapped({ message }: GraphQLError, introspection: boolean): GraphqlInvalidError {
  return new GraphqlInvalidError(introspection ? message : message.replace(/ Did you mean .*\?$/, ''));
}
