/** The OpenAPI document of a list of routes. */
import { Components, type JsonSchema } from './components.js';
import { errorResponses } from './errors.js';
import { HEADERS } from './headers.js';
import { addAnswers, operationOf, tagOf, templateOf } from './operation.js';
import type { Route } from './route.js';

export interface Document extends JsonSchema {
  openapi: string;
  paths: Record<string, Record<string, JsonSchema>>;
}

const DESCRIPTION = `
LoRA adapters as nodes of a tree, served by path. Everything but \`/health\` and this description wants a key:
\`Authorization: Bearer <key>\`.

\`{node}\` is a node's id, or its path, percent-encoded: \`storyteller%2Ffrench\`. Lists are pages: what \`nextCursor\` says is
the \`cursor\` of the next one. Errors have one shape everywhere; their \`code\` never changes.
`.trim();

export function buildDocument(routes: readonly Route[], version: string): Document {
  const components = new Components();
  const responses = errorResponses(components);
  for (const route of routes) addAnswers(route, components);
  const paths: Document['paths'] = {};
  for (const route of [...routes].sort(byPath)) {
    (paths[templateOf(route)] ??= {})[route.method] = operationOf(route, components);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Espalier',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(['OpenAI', ...routes.map(tagOf).sort()])].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(components.schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      responses,
      headers: HEADERS,
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key, `esp_…`.' } },
    },
  };
}

function byPath(a: Route, b: Route): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
