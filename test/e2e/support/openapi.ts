/**
 * Holds answers against the service's own description of them, `/openapi.json`: the status must be declared for the
 * route, and JSON must be exactly what its schema says.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';

export interface SeenAnswer {
  method: string;
  /** With or without a query. */
  path: string;
  status: number;
  contentType: string | null;
  /** Parsed where it is JSON. */
  body: unknown;
}

interface Parameter {
  name: string;
  'x-many-segments'?: boolean;
}

interface Operation {
  parameters?: Parameter[];
  responses: Record<string, Response | { $ref: string }>;
}

interface Response {
  content?: Record<string, { schema?: object }>;
}

export interface OpenApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Response> };
}

interface Described {
  pattern: RegExp;
  template: string;
  operations: Record<string, Operation>;
}

/** Not described there: GraphQL describes itself. */
const ELSEWHERE = /^\/graphql\b/;

export class AnswerCheck {
  readonly #document: OpenApiDocument;
  readonly #paths: Described[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    ajvFormats.default(this.#ajv);
    this.#ajv.addSchema(document, 'document');
    this.#paths = Object.entries(document.paths)
      .map(([template, operations]) => ({ template, operations, pattern: patternOf(template, operations) }))
      // What is said in full comes before what is left open.
      .sort((a, b) => a.template.split('{').length - b.template.split('{').length);
  }

  /** What is wrong with the answer; null if it is as described. */
  problem({ method, path, status, contentType, body }: SeenAnswer): string | null {
    const [bare = ''] = path.split('?', 1);
    if (ELSEWHERE.test(bare) || method === 'HEAD' || method === 'OPTIONS') return null;
    const found = this.#paths.find(
      ({ pattern, operations }) => pattern.test(bare) && method.toLowerCase() in operations,
    );
    const operation = found?.operations[method.toLowerCase()];
    if (!found || !operation) return status >= 400 ? null : `${method} ${bare} isn't described and answered ${status}.`;
    const where = `${method} ${found.template} ${status}`;
    const key = [String(status), `${String(status).slice(0, 1)}XX`].find((each) => each in operation.responses);
    const declared = key === undefined ? undefined : operation.responses[key];
    if (!declared) return `${where}: this status isn't described.`;
    const pointer =
      '$ref' in declared
        ? declared.$ref.slice(1)
        : `/paths/${escape(found.template)}/${method.toLowerCase()}/responses/${key ?? ''}`;
    const response = '$ref' in declared ? this.#document.components.responses[pointer.split('/').at(-1)!]! : declared;
    const type = contentType?.split(';', 1)[0]?.trim() ?? '';
    const { content } = response;
    if (!content) return type === '' && (body === '' || body == null) ? null : `${where}: a body isn't described.`;
    if (!(type in content)) return `${where}: a body of type "${type}" isn't described.`;
    if (!type.includes('json') || !content[type]?.schema) return null;
    const validate = this.#validator(`${pointer}/content/${escape(type)}/schema`);
    return validate(body) ? null : `${where}: ${this.#ajv.errorsText(validate.errors, { dataVar: 'body' })}`;
  }

  #validator(pointer: string): ValidateFunction {
    const known = this.#validators.get(pointer);
    if (known) return known;
    const validator = this.#ajv.compile({ $ref: `document#${encodeURI(pointer)}` });
    this.#validators.set(pointer, validator);
    return validator;
  }
}

function patternOf(template: string, operations: Record<string, Operation>): RegExp {
  const parameters = Object.values(operations).flatMap(({ parameters = [] }) => parameters);
  const source = template
    .split(/(\{\w+\})/)
    .map((part) => {
      if (!part.startsWith('{')) return part.replaceAll(/[.+*?^$()|[\]\\]/g, String.raw`\$&`);
      const many = parameters.some((each) => `{${each.name}}` === part && each['x-many-segments'] === true);
      return many ? '.+' : '[^/]+';
    })
    .join('');
  return new RegExp(`^${source}$`);
}

/** For a JSON pointer. */
function escape(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
