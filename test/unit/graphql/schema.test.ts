/** The schema of GraphQL says the same of every value as the schemas of REST do, and every operation in it is there. */
import 'reflect-metadata';
import {
  buildSchema,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredInputField,
  isScalarType,
  isUnionType,
  printSchema,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { aliasSchema, setAliasBody } from '../../../src/registry/aliases/alias.dto.js';
import { auditEntrySchema, auditExportQuery } from '../../../src/registry/audit/audit.dto.js';
import { comparisonSchema } from '../../../src/registry/compare/comparison.dto.js';
import { hubReference } from '../../../src/registry/dto/hub.dto.js';
import { importModelBody, modelSchema } from '../../../src/registry/dto/model.dto.js';
import { createNodeBody, moveNodeBody, nodeSchema, updateNodeBody } from '../../../src/registry/dto/node.dto.js';
import { resolutionSchema, servedPathSchema } from '../../../src/registry/dto/resolution.dto.js';
import { pushFolderBody, pushHubBody, revisionSchema } from '../../../src/registry/dto/revision.dto.js';
import { gcBody, gcReportSchema } from '../../../src/registry/gc/gc.dto.js';
import { headMoveSchema } from '../../../src/registry/history/history.dto.js';
import { createKeyBody, keySchema, updateKeyBody } from '../../../src/registry/keys/key.dto.js';
import { lineageSchema } from '../../../src/registry/lineage/lineage.dto.js';
import { mergeSchema } from '../../../src/registry/merges/merge.dto.js';
import { redirectSchema } from '../../../src/registry/places/redirect.dto.js';
import { deletedNodeSchema } from '../../../src/registry/places/removal.dto.js';
import { recallBody, recallSchema } from '../../../src/registry/recall/recall.dto.js';
import { repinBody } from '../../../src/registry/repin/repin.dto.js';
import { staleNodeSchema } from '../../../src/registry/stale/stale.dto.js';

const GRAPHQL = join(import.meta.dirname, '../../../src/graphql');
const source = readFileSync(join(GRAPHQL, 'schema.graphql'), 'utf8');
const schema = buildSchema(source);

interface Twin {
  dto: z.ZodObject;
  /** Field over REST → field here, where that name stands for a list or an object. */
  renamed?: Record<string, string>;
  /** Fields that lead on to what REST has at another address. */
  links?: string[];
  /** Fields that REST has as an object by name, and GraphQL as a list. */
  lists?: string[];
}

const TWINS: Record<string, Twin> = {
  Model: { dto: modelSchema, links: ['root'] },
  Node: {
    dto: nodeSchema,
    renamed: { parent: 'parentPath', revisions: 'revisionCount', children: 'childCount' },
    links: ['parent', 'children', 'revisions'],
  },
  Revision: { dto: revisionSchema, links: ['node', 'card'], lists: ['targets', 'metrics'] },
  Alias: { dto: aliasSchema, links: ['node'] },
  Redirect: { dto: redirectSchema },
  Merge: { dto: mergeSchema, links: ['node'] },
  DeletedNode: { dto: deletedNodeSchema },
  Resolution: { dto: resolutionSchema },
  ServedPath: { dto: servedPathSchema },
  Recall: { dto: recallSchema, links: ['node'] },
  HeadMove: { dto: headMoveSchema },
  StaleNode: { dto: staleNodeSchema, links: ['node'] },
  AuditEntry: { dto: auditEntrySchema },
  GarbageReport: { dto: gcReportSchema },
  Comparison: { dto: comparisonSchema },
  Lineage: { dto: lineageSchema },
  Key: { dto: keySchema },
};

/** Fields of these stand for the whole thing, where REST shows a part of it. */
const WHOLE = new Set(Object.keys(TWINS));

interface Unwrapped {
  schema: z.core.$ZodType;
  nullable: boolean;
}

function unwrap(given: z.core.$ZodType): Unwrapped {
  if (given instanceof z.ZodNullable) return { ...unwrap(given.unwrap()), nullable: true };
  if (given instanceof z.ZodDefault) return { ...unwrap(given.unwrap()), nullable: unwrap(given.unwrap()).nullable };
  if (given instanceof z.ZodOptional) return { ...unwrap(given.unwrap()), nullable: true };
  return { schema: given, nullable: false };
}

/** What differs, as lines of text. */
function differences(type: GraphQLObjectType, { dto, renamed = {}, links = [], lists = [] }: Twin): string[] {
  const fields = type.getFields();
  const expected = Object.keys(dto.shape).map((name) => renamed[name] ?? name);
  const unknown = Object.keys(fields).filter((name) => !expected.includes(name) && !links.includes(name));
  const values = Object.entries<z.core.$ZodType>(dto.shape);
  return [
    ...unknown.map((name) => `${type.name}.${name} is nothing that REST has`),
    ...values.flatMap(([name, value]) => {
      const field = fields[renamed[name] ?? name];
      const at = `${type.name}.${renamed[name] ?? name}`;
      if (!field) return [`${at} is missing`];
      if (lists.includes(name)) return isListType(getNullableType(field.type)) ? [] : [`${at} should be a list`];
      return valueDifferences(at, field.type, value);
    }),
  ];
}

function valueDifferences(at: string, type: GraphQLOutputType, given: z.core.$ZodType): string[] {
  const { schema: value, nullable } = unwrap(given);
  if (nullable === isNonNullType(type)) return [`${at} should ${nullable ? '' : 'never '}be null`];
  const inner = getNullableType(type);
  if (value instanceof z.ZodArray) {
    return isListType(inner) ? valueDifferences(`${at}[]`, inner.ofType, value.element) : [`${at} should be a list`];
  }
  if (value instanceof z.ZodObject) {
    if (!isObjectType(inner)) return [`${at} should be an object`];
    return WHOLE.has(inner.name) ? [] : differences(inner, { dto: value });
  }
  if (value instanceof z.ZodEnum) {
    if (!isEnumType(inner)) return [`${at} should be an enum`];
    const [here, there] = [inner.getValues().map(({ name }) => name), value.options.map(String)];
    return there.every((name) => here.includes(name)) ? [] : [`${at} knows ${here.join()}, and should ${there.join()}`];
  }
  // A part of what REST has as a number or name, in whole.
  if (isListType(inner)) return [`${at} should be no list`];
  const scalars =
    value instanceof z.ZodNumber ? ['Int', 'Float', 'SafeInt'] : value instanceof z.ZodBoolean ? ['Boolean'] : null;
  if (scalars && !(isScalarType(inner) && scalars.includes(inner.name)))
    return [`${at} should be ${scalars.join(' or ')}`];
  return [];
}

test.each(Object.keys(TWINS))('%s has the fields that it has over REST, with null where that has it', (name) => {
  const type = schema.getType(name);
  const twin = TWINS[name];
  expect(isObjectType(type) && twin ? differences(type, twin) : ['missing']).toEqual([]);
});

const INPUTS: Record<string, z.ZodObject> = {
  AuditFilter: auditExportQuery,
  CollectGarbageInput: gcBody,
  CreateKeyInput: createKeyBody,
  CreateNodeInput: createNodeBody,
  HubInput: hubReference,
  ImportModelInput: importModelBody,
  MoveNodeInput: moveNodeBody,
  PushFromFolderInput: pushFolderBody,
  PushFromHubInput: pushHubBody,
  RecallInput: recallBody,
  RepinInput: repinBody,
  SetAliasInput: setAliasBody,
  UpdateKeyInput: updateKeyBody,
  UpdateNodeInput: updateNodeBody,
};

test.each(Object.keys(INPUTS))('%s takes what REST takes, and needs what that needs', (name) => {
  const type = schema.getType(name);
  const given = INPUTS[name];
  if (!isInputObjectType(type) || !given) throw new Error(`${name} is no input`);
  const here = Object.values(type.getFields()).map((field) => [field.name, isRequiredInputField(field)]);
  const there = Object.entries<z.core.$ZodType>(given.shape).map(([field, value]) => [
    field,
    !z.safeParse(value, undefined).success,
  ]);
  expect(here.sort()).toEqual(there.sort());
});

test('every operation has a resolver', () => {
  const folder = join(GRAPHQL, 'resolvers');
  const code = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  for (const kind of ['Query', 'Mutation', 'Subscription']) {
    const declared = Object.keys((schema.getType(kind) as GraphQLObjectType).getFields()).sort();
    const pattern = new RegExp(`@${kind}\\([^)]*\\)\\s+(?:@RequireScope\\([^)]*\\)\\s+)?(?:async )?(\\w+)\\(`, 'g');
    const written = code.flatMap((text) => [...text.matchAll(pattern)].map(([, name]) => name)).sort();
    expect(written).toEqual(declared);
  }
});

test('every mutation answers with its payload or with what can be wrong', () => {
  for (const { name, type } of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const result = getNullableType(type);
    const kinds = isUnionType(result) ? result.getTypes().map((one) => one.name) : [];
    expect([name, kinds.includes('NotFound'), kinds.includes('Refused')]).toEqual([name, true, true]);
  }
});

test('a mutation that takes a version can answer that it was another', () => {
  for (const { name, args, type } of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const result = getNullableType(type);
    const conflicts = isUnionType(result) && result.getTypes().some((one) => one.name === 'VersionConflict');
    const versioned = args.some((argument) => argument.name === 'expectedVersion');
    if (versioned) expect([name, conflicts]).toEqual([name, true]);
  }
});

test('the schema has no type that nothing leads to', () => {
  const used = printSchema(schema);
  const names = Object.keys(schema.getTypeMap()).filter((name) => !name.startsWith('__'));
  const roots = ['Query', 'Mutation', 'Subscription'];
  const builtIn = ['String', 'Int', 'Float', 'Boolean', 'ID'];
  const orphans = names.filter(
    (name) =>
      ![...roots, ...builtIn].includes(name) && !new RegExp(`(: |\\[|= |\\| |implements )${name}\\b`).test(used),
  );
  expect(orphans).toEqual([]);
});
