/**
 * zod schemas as the JSON schemas of an OpenAPI document. A schema with an id, by `.meta({ id })`, is written once, among
 * the components. What goes in and what comes out of one schema may differ, by defaults for example: then the form that
 * goes in is a component of its own, with `Input` after its name. So all that come out have to be added first.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

export type JsonSchema = Record<string, unknown>;

type Direction = 'input' | 'output';

const DEFINITION = '#/$defs/';

export class Components {
  /** By name, as they stand in the document. */
  readonly schemas: Record<string, JsonSchema> = {};
  /** By name, as zod gave them. */
  readonly #originals = new Map<string, JsonSchema>();

  add(schema: z.ZodType, io: Direction): JsonSchema {
    const { $defs = {}, ...top } = z.toJSONSchema(schema, { io, override: simplify }) as JsonSchema & {
      $defs?: Record<string, JsonSchema>;
    };
    delete top['$schema'];
    const names = new Map(Object.entries($defs).map(([id, definition]) => [id, this.#nameFor(id, definition, io)]));
    for (const [id, definition] of Object.entries($defs)) {
      const name = names.get(id) ?? id;
      this.#originals.set(name, definition);
      this.schemas[name] ??= withReferences(definition, names) as JsonSchema;
    }
    return withReferences(top, names) as JsonSchema;
  }

  #nameFor(id: string, definition: JsonSchema, io: Direction): string {
    const known = this.#originals.get(id);
    if (known === undefined || isDeepStrictEqual(known, definition)) return id;
    if (io === 'output') throw new Error(`Two schemas have the id "${id}".`);
    return `${id}Input`;
  }
}

/** A moment's format says what the pattern of 300 characters beside it says. */
function simplify({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
}

function withReferences(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((entry) => withReferences(entry, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => [
      key,
      key === '$ref' && typeof entry === 'string' ? reference(entry, names) : withReferences(entry, names),
    ]),
  );
}

function reference(target: string, names: ReadonlyMap<string, string>): string {
  const name = target.startsWith(DEFINITION) ? names.get(target.slice(DEFINITION.length)) : undefined;
  if (name === undefined) throw new Error(`The schema behind "${target}" needs a name: .meta({ id: '…' }).`);
  return `#/components/schemas/${name}`;
}
