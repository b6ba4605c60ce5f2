import { EspalierError } from './espalier-error.js';

/** The document is none that can be parsed. */
export class GraphqlSyntaxError extends EspalierError {
  constructor(message: string) {
    super({ code: 'graphql_syntax', status: 400, message });
  }
}

/** The document, its variables or the choice of operation don't fit the schema. */
export class GraphqlInvalidError extends EspalierError {
  constructor(message: string) {
    super({ code: 'graphql_invalid', status: 400, message });
  }
}

export class GraphqlLimitError extends EspalierError {
  constructor(limit: 'depth' | 'cost' | 'aliases' | 'directives' | 'tokens', allowed: number, found?: number) {
    const has = found === undefined ? '' : ` It has ${found}.`;
    super({
      code: 'graphql_limit',
      status: 400,
      message: `The operation is over the limit for ${limit}, which is ${allowed}.${has} Ask for less at once.`,
      details: { limit, allowed, ...(found === undefined ? {} : { found }) },
    });
  }
}

export class IntrospectionOffError extends EspalierError {
  constructor() {
    super({
      code: 'introspection_off',
      status: 400,
      message: 'Introspection is off here. The schema is the file schema.graphql of the release.',
    });
  }
}

export class TooManySubscriptionsError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'too_many_subscriptions',
      status: 429,
      message: `A connection carries at most ${limit} subscriptions. End one, or open another connection.`,
      details: { limit },
    });
  }
}

/** The subscriber reads more slowly than the registry changes. */
export class SubscriptionOverflowError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'subscription_overflow',
      status: 429,
      message: `Over ${limit} changes waited to be read, and the subscription was ended. Subscribe again, and read what there is now.`,
      details: { limit },
    });
  }
}
