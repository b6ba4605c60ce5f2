/** How Apollo runs here: no landing page, no batches, no cache of its own, and every limit on. */
import type { ApolloServerPlugin } from '@apollo/server';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import type { FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { contextOf } from '../access/request-context.js';
import type { Config } from '../config.js';
import type { Logger } from '../logger.js';
import type { BatchReads } from '../registry/batch-reads.js';
import { errorFormatter } from './error-format.js';
import type { GraphqlContext } from './graphql-context.js';
import { costPlugin } from './limits/cost-plugin.js';
import { documentRules } from './limits/document-rules.js';
import { Loaders } from './loaders.js';
import { dateTime, json, safeInt } from './scalars.js';

export const GRAPHQL_PATH = '/graphql';

/** Beside this file, in src/ and in dist/ alike. */
export const SCHEMA = new URL('./schema.graphql', import.meta.url);

export function apolloOptions({ graphql }: Config, logger: Logger, reads: BatchReads): ApolloDriverConfig {
  const plugins: ApolloServerPlugin[] = [costPlugin(graphql.limits.cost)];
  return {
    driver: ApolloDriver,
    path: GRAPHQL_PATH,
    typeDefs: readFileSync(SCHEMA, 'utf8'),
    resolvers: { SafeInt: safeInt, DateTime: dateTime, JSON: json },
    context: (req: FastifyRequest): GraphqlContext => {
      const context = contextOf(req);
      return { req, context, loaders: new Loaders(reads, context, { remember: true }) };
    },
    graphiql: false,
    introspection: graphql.introspection,
    hideSchemaDetailsFromClientErrors: !graphql.introspection,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    parseOptions: { maxTokens: graphql.limits.tokens },
    validationRules: documentRules(graphql.limits),
    plugins,
    formatError: errorFormatter(logger),
    autoTransformHttpErrors: false,
    // So that the errors of fields are logged under the request's id, as those of operations are.
    fieldResolverEnhancers: ['filters'],
    logger: apolloLog(logger),
  };
}

/** Apollo warns of what concerns its cloud, and of nothing that a caller did. */
function apolloLog(logger: Logger): ApolloDriverConfig['logger'] {
  return {
    debug: (message?: unknown) => logger.trace({ message }, 'Apollo'),
    info: (message?: unknown) => logger.debug({ message }, 'Apollo'),
    warn: (message?: unknown) => logger.warn({ message }, 'Apollo'),
    error: (message?: unknown) => logger.error({ message }, 'Apollo'),
  };
}
