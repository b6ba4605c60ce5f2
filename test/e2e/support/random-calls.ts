/** Random requests out of an OpenAPI document: any operation, with arguments that name things of a caller's choice. */
import type { OpenApiDocument } from './openapi.js';

type Schema = Record<string, unknown> & { type?: string | string[]; $ref?: string };

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema?: Schema;
}

export interface Operation {
  /** `GET /api/v1/nodes/{node}` */
  name: string;
  method: string;
  template: string;
  parameters: Parameter[];
  /** Of its JSON body, if it takes one. */
  body: Schema | null;
  /** Where `$ref`s lead. */
  document: object;
}

export interface Words {
  /** What the caller must learn nothing of. */
  outside: readonly string[];
  own: readonly string[];
  /** A number from 0 to below `sides`. */
  roll: (sides: number) => number;
  /** One that the service may import from. */
  folder: string;
}

const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete']);
/** Of the operations that change nothing. */
const READS = new Set(['GET']);
/** What POSTs only to ask. */
const ASKING = /^\/v1\/|^\/api\/v1\/(search|compare|resolve)/;

export function operationsOf(document: unknown): Operation[] {
  const { paths } = document as OpenApiDocument;
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.has(method))
      .map(([method, operation]) => {
        const { parameters = [], requestBody } = operation as {
          parameters?: Parameter[];
          requestBody?: { content: Record<string, { schema?: Schema }> };
        };
        return {
          name: `${method.toUpperCase()} ${template}`,
          method: method.toUpperCase(),
          template,
          parameters,
          body: requestBody?.content['application/json']?.schema ?? null,
          document: document as object,
        };
      }),
  );
}

export class Call {
  readonly path: string;
  readonly json: unknown;
  /** All that the caller has said, for finding out what an answer only repeats. */
  readonly text: string;

  private constructor(path: string, json: unknown) {
    this.path = path;
    this.json = json;
    this.text = `${decodeURIComponent(path)} ${path} ${JSON.stringify(json ?? null)}`;
  }

  static random(operation: Operation, words: Words): Call {
    const maker = new ArgumentMaker(operation, words);
    let path = operation.template;
    const query = new URLSearchParams();
    for (const { name, in: place, required, schema } of operation.parameters) {
      if (place === 'path')
        path = path.replace(`{${name}}`, encodeURIComponent(String(maker.value(name, schema ?? {}))));
      else if (place === 'query' && (required === true || words.roll(2) === 0)) {
        query.set(name, String(maker.value(name, schema ?? {})));
      }
    }
    const asked = query.size > 0 ? `${path}?${query.toString()}` : path;
    return new Call(asked, operation.body === null ? undefined : maker.value('', operation.body));
  }
}

class ArgumentMaker {
  readonly #document: object;
  readonly #words: Words;
  /** What changes something is tried on the things of others alone: a tree that tears itself apart tests nothing. */
  readonly #spares: boolean;

  constructor({ document, method, template }: Operation, words: Words) {
    this.#document = document;
    this.#words = words;
    this.#spares = !READS.has(method) && !ASKING.test(template);
  }

  value(name: string, given: Schema): unknown {
    const schema = this.#follow(given);
    const { roll } = this.#words;
    if ('const' in schema) return schema['const'];
    if (Array.isArray(schema['enum'])) return pick(schema['enum'], roll);
    const options = schema['anyOf'] ?? schema['oneOf'];
    if (Array.isArray(options)) return this.value(name, pick(options as Schema[], roll));
    if (Array.isArray(schema['allOf']) && !('properties' in schema))
      return this.value(name, (schema['allOf'] as Schema[])[0] ?? {});
    const type = Array.isArray(schema.type) ? pick(schema.type, roll) : schema.type;
    switch (type) {
      case 'object':
        return this.#object(schema);
      case 'array':
        return Array.from({ length: Math.max(1, Number(schema['minItems'] ?? 0)) }, () =>
          this.value(name, (schema['items'] ?? {}) as Schema),
        );
      case 'integer':
      case 'number':
        return Math.max(Number(schema['minimum'] ?? 1), 1 + roll(2));
      case 'boolean':
        return roll(2) === 0;
      case 'null':
        return null;
      default:
        return this.#text(name, schema);
    }
  }

  #object(schema: Schema): Record<string, unknown> {
    const required = new Set((schema['required'] ?? []) as string[]);
    // Many fields together are seldom a request that makes sense.
    const more = this.#words.roll(2) === 0;
    const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
    return Object.fromEntries(
      properties
        .filter(([name]) => required.has(name) || (more && this.#words.roll(3) === 0))
        .map(([name, property]) => [name, this.value(name, property)]),
    );
  }

  #text(name: string, schema: Schema): string {
    const { outside, own, roll, folder } = this.#words;
    if (schema['format'] === 'date-time') return '2030-01-01T00:00:00Z';
    if (/folder|lora_path/.test(name)) return folder;
    if (name === 'metric') return 'loss:..1';
    if (name === 'sort') return 'metric:loss';
    if (/digest|sha256/.test(name) && roll(2) === 0) return 'f'.repeat(64);
    if (name === 'cursor' || name === 'after') return Buffer.from(pick(outside, roll)).toString('base64url');
    const all = this.#spares ? outside : [...own, ...own, ...outside];
    const word = pick(all, roll);
    // A name that doesn't exist draws suggestions.
    return roll(4) === 0 ? word.slice(0, -1) : word;
  }

  #follow(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    let at: unknown = this.#document;
    for (const part of schema.$ref.slice(2).split('/')) at = (at as Record<string, unknown>)[part];
    return this.#follow(at as Schema);
  }
}

function pick<T>(from: readonly T[], roll: (sides: number) => number): T {
  const found = from[roll(from.length)];
  if (found === undefined) throw new Error('there is nothing to choose from');
  return found;
}
