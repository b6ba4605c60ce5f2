/** Values that GraphQL has no type for. None of them comes in but as a string or a number. */
import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';

/** GraphQL's own Int ends at 2³¹. */
export const safeInt = new GraphQLScalarType<number, number>({
  name: 'SafeInt',
  serialize: requireSafe,
  parseValue: requireSafe,
  parseLiteral: (node) => requireSafe(node.kind === Kind.INT ? Number(node.value) : null),
});

function requireSafe(value: unknown): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw new GraphQLError('A SafeInt is a whole number between -(2^53 - 1) and 2^53 - 1.');
}

/** As text: the services check what comes in by the same schemas as REST does. */
export const dateTime = new GraphQLScalarType<string, string>({
  name: 'DateTime',
  serialize: (value) => (value instanceof Date ? value.toISOString() : requireText(value)),
  parseValue: requireText,
  parseLiteral: (node) => requireText(node.kind === Kind.STRING ? node.value : null),
});

function requireText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError('A DateTime is a string in the form of ISO 8601.');
}

/** Goes out only. */
export const json = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  serialize: (value) => value,
  parseValue: refuse,
  parseLiteral: refuse,
});

function refuse(): never {
  throw new GraphQLError('JSON is given out, not taken.');
}
