/**
 * Limits that the document alone decides, as rules of validation: graphql-armor counts, the refusal is ours. Its own
 * limit on cost isn't used, because it takes every page size that comes as a variable for 1; see `query-cost.ts`.
 */
import { ApolloArmor } from '@escape.tech/graphql-armor';
import { GraphQLError, type ValidationContext, type ValidationRule } from 'graphql';
import { GraphqlLimitError } from '../../errors/graphql.js';
import type { GraphqlLimits, LimitName } from './limits.js';

type Limited = Extract<LimitName, 'depth' | 'aliases' | 'directives'>;

export function documentRules(limits: GraphqlLimits): ValidationRule[] {
  const limit = (name: Limited) => ({
    n: limits[name],
    propagateOnRejection: false,
    onReject: [
      (context: ValidationContext | null) => {
        const originalError = new GraphqlLimitError(name, limits[name]);
        context?.reportError(new GraphQLError(originalError.message, { originalError }));
      },
    ],
  });
  const armor = new ApolloArmor({
    maxDepth: { ...limit('depth'), flattenFragments: true },
    maxAliases: limit('aliases'),
    maxDirectives: limit('directives'),
    costLimit: { enabled: false },
    // The parser has a limit of its own, and stops there.
    maxTokens: { enabled: false },
    blockFieldSuggestion: { enabled: false },
  });
  return armor.protect().validationRules;
}
