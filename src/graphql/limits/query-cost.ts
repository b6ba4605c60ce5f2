/**
 * What an operation can cost: about the number of objects that its answer may hold. A connection counts its page size
 * times what a node of it counts, whether the size is written in the document or comes as a variable. Any other field that
 * has fields counts one, and what is below it, in a plain list `LIST` times. Scalars are free: they come with their object.
 *
 * Each fragment is counted once and remembered, so that counting takes no longer than reading the document.
 */
import {
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

import { DEFAULT_PAGE_SIZE } from '../connection.js';

/** What a list without a page size is taken to hold. */
const LIST = 10;

export interface CountedOperation {
  schema: GraphQLSchema;
  document: DocumentNode;
  operation: OperationDefinitionNode;
  variables: Readonly<Record<string, unknown>>;
}

/** The document has passed validation: every name in it is known, and no fragment holds itself. */
export function queryCost({ schema, document, operation, variables }: CountedOperation): number {
  const root = schema.getRootType(operation.operation);
  if (!root) return 0;
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return new Count(schema, fragments, variables).selections(operation.selectionSet, root);
}

class Count {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Readonly<Record<string, unknown>>;
  readonly #counted = new Map<string, number>();

  constructor(
    schema: GraphQLSchema,
    fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    variables: Readonly<Record<string, unknown>>,
  ) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#variables = variables;
  }

  selections({ selections }: SelectionSetNode, type: GraphQLNamedType | undefined): number {
    let sum = 0;
    for (const selection of selections) {
      switch (selection.kind) {
        case Kind.FIELD:
          sum += this.#field(selection, type);
          break;
        case Kind.INLINE_FRAGMENT: {
          const on = selection.typeCondition?.name.value;
          sum += this.selections(selection.selectionSet, on === undefined ? type : this.#schema.getType(on));
          break;
        }
        case Kind.FRAGMENT_SPREAD:
          sum += this.#fragment(selection.name.value);
      }
    }
    return sum;
  }

  #fragment(name: string): number {
    const known = this.#counted.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    const cost = fragment
      ? this.selections(fragment.selectionSet, this.#schema.getType(fragment.typeCondition.name.value))
      : 0;
    this.#counted.set(name, cost);
    return cost;
  }

  #field(node: FieldNode, parent: GraphQLNamedType | undefined): number {
    if (!node.selectionSet) return 0;
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    // Introspection: depth is limited by graphql's own rules.
    if (!field) return 1;
    const below = this.selections(node.selectionSet, getNamedType(field.type));
    // The frame of a connection is there anyway; what it frames is counted at `node` of an edge, or at `nodes`.
    if (parent?.name.endsWith('Connection')) return field.name === 'nodes' ? 1 + below : below;
    const page = this.#pageSize(node, field);
    if (page !== null) return page * Math.max(1, below);
    return 1 + (isListType(getNullableType(field.type)) ? LIST : 1) * below;
  }

  /** Null where the field is no connection. */
  #pageSize(node: FieldNode, field: GraphQLField<unknown, unknown>): number | null {
    if (!field.args.some(({ name }) => name === 'first')) return null;
    const asked = Math.max(this.#size(node, field, 'first') ?? 0, this.#size(node, field, 'last') ?? 0);
    return asked > 0 ? asked : DEFAULT_PAGE_SIZE;
  }

  /** A page size as it is written, or as the variable has it. */
  #size(node: FieldNode, field: GraphQLField<unknown, unknown>, argument: 'first' | 'last'): number | undefined {
    if (!field.args.some(({ name }) => name === argument)) return undefined;
    const value = node.arguments?.find(({ name }) => name.value === argument)?.value;
    if (value?.kind === Kind.INT) return Number(value.value);
    if (value?.kind !== Kind.VARIABLE) return undefined;
    const given = this.#variables[value.name.value];
    return typeof given === 'number' ? given : undefined;
  }
}
