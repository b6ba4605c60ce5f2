/** One route as an operation of the document. */
import { z } from 'zod';
import { isContent, json, type AnswerBody, type Content } from '../http/answers.js';
import type { Components, JsonSchema } from './components.js';
import { errorsOf } from './errors.js';
import { commonHeaders, declaredHeaders, versionHeaders } from './headers.js';
import type { Route, Taken } from './route.js';

const MEANINGS: Record<string, string> = {
  200: 'Done.',
  201: 'Made.',
  202: 'Begun.',
  204: 'Done; there is nothing to say.',
  503: 'Not now.',
};

const WILDCARD = /\*(\w*)/;

/** `/v1/models/*` → `/v1/models/{model}` */
export function templateOf({ path, answers }: Route): string {
  return path.replaceAll(/:(\w+)/g, '{$1}').replace(WILDCARD, (_, name: string) => `{${answers?.wildcard ?? name}}`);
}

/** OpenAI's surface is one chapter, and so is each controller beside it. */
export function tagOf({ path, controller }: Route): string {
  return path.startsWith('/v1/') ? 'OpenAI' : subjectOf(controller).replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
}

function subjectOf(controller: string): string {
  return controller.replace(/Controller$/, '');
}

export function operationOf(route: Route, components: Components): JsonSchema {
  const { answers, scopes } = route;
  const subject = subjectOf(route.controller);
  const body = requestBody(route, components);
  return {
    operationId: `${subject.charAt(0).toLowerCase()}${subject.slice(1)}.${route.handler}`,
    summary: answers?.summary,
    ...(scopes === null ? {} : { description: `Needs a key of scope ${scopes.map((s) => `\`${s}\``).join(' or ')}.` }),
    tags: [tagOf(route)],
    // Each by itself is enough.
    security: (scopes ?? []).map((scope) => ({ key: [scope] })),
    parameters: parameters(route, components),
    ...(body ? { requestBody: body } : {}),
    responses: { ...responses(route, components), ...errorsOf(route) },
  };
}

/** What comes out, before anything that goes in: see `Components`. */
export function addAnswers(route: Route, components: Components): void {
  responses(route, components);
}

function responses({ answers, scopes }: Route, components: Components): Record<string, object> {
  return Object.fromEntries(
    Object.entries(answers?.bodies ?? {}).map(([status, body]) => [
      status,
      {
        description: MEANINGS[status] ?? 'An answer.',
        headers: {
          ...commonHeaders(scopes === null),
          ...(hasVersion(body) ? versionHeaders() : {}),
          ...declaredHeaders(answers?.headers ?? []),
        },
        ...(body === null ? {} : { content: contents(body, components) }),
      },
    ]),
  );
}

function hasVersion(body: AnswerBody): boolean {
  return body instanceof z.ZodObject && 'version' in body.shape;
}

function contents(body: Exclude<AnswerBody, null>, components: Components): Record<string, object> {
  const forms: readonly (z.ZodType | Content)[] = Array.isArray(body) ? body : [body as z.ZodType | Content];
  return Object.fromEntries(
    forms
      .map((form) => (isContent(form) ? form : json(form)))
      .map(({ type, schema }) => [type, answerOf(type, schema && components.add(schema, 'output'))]),
  );
}

function answerOf(type: string, schema: JsonSchema | null): object {
  // OpenAPI has no word for the data of an event before 3.2, and `schema` would be of all of them together.
  if (type === 'text/event-stream') return schema ? { 'x-itemSchema': schema } : {};
  if (schema) return { schema };
  return type.startsWith('text/') ? { schema: { type: 'string' } } : {};
}

const PLACES = ['path', 'query', 'header'];

function parameters(route: Route, components: Components): object[] {
  const taken = route.taken.filter(({ from }) => from !== 'body').flatMap((one) => parametersOf(one, components));
  const names = new Set(taken.map(({ name, in: where }) => `${where} ${name}`));
  // A handler need not take each segment by itself.
  const rest = [...templateOf(route).matchAll(/\{(\w+)\}/g)]
    .map(([, name = '']) => pathParameter(name, { type: 'string' }, WILDCARD.test(route.path)))
    .filter(({ name }) => !names.has(`path ${name}`));
  return [...rest, ...taken].sort((a, b) => PLACES.indexOf(a.in) - PLACES.indexOf(b.in));
}

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: unknown;
}

function parametersOf({ from, name, schema }: Taken, components: Components): Parameter[] {
  const converted = schema === null ? { type: 'string' } : components.add(schema, 'input');
  if (name !== null && from === 'path') return [pathParameter(name, converted, false)];
  if (name !== null) return [{ name, in: from, required: false, schema: converted }];
  // All of them as one object: each property is a parameter.
  const { properties = {}, required = [] } = inlined(converted, components) as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([property, schema]) => ({
    name: property,
    in: from,
    required: required.includes(property),
    schema,
  }));
}

/** Of the demo tree. */
const EXAMPLES: Record<string, string> = {
  node: 'storyteller/french',
  model: 'storyteller/french/verne',
};

function pathParameter(name: string, schema: JsonSchema, manySegments: boolean): Parameter & Record<string, unknown> {
  const example = EXAMPLES[name];
  const examples = example === undefined ? {} : { examples: [example] };
  const base = { name, in: 'path', required: true, schema: { minLength: 1, ...examples, ...schema } };
  return manySegments ? { ...base, description: 'May hold slashes, as they are.', 'x-many-segments': true } : base;
}

function inlined(schema: JsonSchema, components: Components): JsonSchema {
  const { $ref } = schema;
  return typeof $ref === 'string' ? (components.schemas[$ref.split('/').at(-1) ?? ''] ?? schema) : schema;
}

function requestBody(route: Route, components: Components): object | null {
  const body = route.taken.find(({ from, schema }) => from === 'body' && schema !== null);
  const forms = [...(body?.schema ? [json(body.schema)] : []), ...(route.answers?.takes ?? [])];
  if (forms.length === 0) return null;
  const content = forms.map(({ type, schema }) => [type, schema ? { schema: components.add(schema, 'input') } : {}]);
  const optional = forms.every(({ schema }) => schema?.safeParse(undefined).success === true);
  return { required: !optional, content: Object.fromEntries(content) as object };
}
