/** Random GraphQL documents out of a schema: any field of Query or Mutation, with all that can be selected below it. */
import {
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';

/** Deeper ones cost more than the service lets them. */
const DEPTH = 3;

export interface Root {
  kind: 'query' | 'mutation';
  field: GraphQLField<unknown, unknown>;
}

export function rootsOf(schema: GraphQLSchema): Root[] {
  const fields = (kind: Root['kind'], type: ReturnType<GraphQLSchema['getQueryType']>): Root[] =>
    Object.values(type?.getFields() ?? {}).map((field) => ({ kind, field }));
  return [...fields('query', schema.getQueryType()), ...fields('mutation', schema.getMutationType())];
}

export function randomDocument(
  schema: GraphQLSchema,
  { kind, field }: Root,
  word: (name: string) => string,
  roll: (sides: number) => number,
): string {
  return `${kind} { ${call(field)}${selection(getNamedType(field.type), DEPTH)} }`;

  function call({ name, args }: GraphQLField<unknown, unknown>): string {
    const given = args
      .filter(({ type }) => isNonNullType(type) || roll(2) === 0)
      .map((argument) => `${argument.name}: ${value(argument.name, argument.type)}`);
    return given.length > 0 ? `${name}(${given.join(', ')})` : name;
  }

  function value(name: string, type: GraphQLInputType): string {
    if (isNonNullType(type)) return value(name, type.ofType);
    if (isListType(type)) return `[${value(name, type.ofType)}]`;
    if (isEnumType(type)) return type.getValues()[roll(type.getValues().length)]?.name ?? 'null';
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields())
        .filter(({ type: inner }) => isNonNullType(inner) || roll(3) === 0)
        .map((inner) => `${inner.name}: ${value(inner.name, inner.type)}`);
      return `{${fields.join(', ')}}`;
    }
    switch (type.name) {
      case 'Int':
      case 'SafeInt':
      case 'Float':
        return String(1 + roll(2));
      case 'Boolean':
        return roll(2) === 0 ? 'true' : 'false';
      case 'DateTime':
        return '"2030-01-01T00:00:00Z"';
      default:
        return JSON.stringify(word(name));
    }
  }

  function selection(type: GraphQLNamedType, depth: number): string {
    if (!isCompositeType(type)) return '';
    if (isAbstractType(type)) {
      // Of one of its types: those of several may share a field's name and not its type.
      const possible = schema.getPossibleTypes(type);
      const one = possible[roll(2) * roll(possible.length)];
      return one ? ` { __typename ... on ${one.name} ${selection(one, depth)} }` : '';
    }
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const chosen = fields.flatMap((one) => {
      const below = getNamedType(one.type);
      if (!isCompositeType(below)) return [one.name];
      // Each of its arguments has a default, and few deep fields keep a document cheap.
      if (depth <= 1 || one.args.some(({ type: needed }) => isNonNullType(needed)) || roll(2) === 0) return [];
      return [`${one.name}${selection(below, depth - 1)}`];
    });
    return ` { __typename ${chosen.join(' ')} }`;
  }
}
