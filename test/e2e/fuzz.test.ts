/** A running service answers any multipart body and any GraphQL document, and goes on: no 500, no hang, no crash. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, type GraphQLSchema } from 'graphql';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged, PARAMETERS } from '../unit/support/fuzz.js';
import { randomDocument, rootsOf } from './support/random-documents.js';
import { REPOSITORY } from './support/service.js';
import { formOf, TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(1_800_000);

const ANSWER_LIMIT_MS = 20_000;

describe('whatever comes', () => {
  let registry: TinyRegistry;
  let form: { type: string; body: Buffer };
  let schema: GraphQLSchema;

  beforeAll(async () => {
    registry = await TinyRegistry.start({ env: { ESPALIER_LOG_LEVEL: 'error' } });
    await registry.push('tiny/a');
    const adapter = await registry.adapter('fuzzed', { seed: 9 });
    const request = new Request('http://localhost', {
      method: 'POST',
      body: await formOf({ path: 'tiny/a', message: 'hello' }, adapter),
    });
    form = { type: request.headers.get('content-type') ?? '', body: Buffer.from(await request.arrayBuffer()) };
    schema = buildSchema(await readFile(join(REPOSITORY, 'src/graphql/schema.graphql'), 'utf8'));
  });
  afterAll(() => registry.remove());

  /** Any answer that blames the caller or none; a connection that is cut because the body made no sense is one too. */
  async function answered(path: string, body: Buffer | string, type: string): Promise<void> {
    const answer = await registry.service.fetch(path, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: { 'content-type': type },
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const text = await answer.text();
    if (answer.status >= 500 || text.includes('"internal_error"')) throw new Error(`${answer.status}: ${text}`);
  }

  it('as a multipart body', async () => {
    const types = fc.oneof(
      { weight: 9, arbitrary: fc.constant(form.type) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('multipart/form-data', 'multipart/form-data; boundary=', `${form.type}x`),
      },
    );
    await fc.assert(
      fc.asyncProperty(damaged(form.body), types, (body, type) => answered('/api/v1/revisions', body, type)),
      PARAMETERS,
    );
    expect((await registry.service.call('/api/v1/nodes')).status).toBe(200);
  });

  it('as a GraphQL document', async () => {
    const roots = rootsOf(schema).filter(({ kind }) => kind === 'query');
    const words = ['tiny', 'tiny/a', 'tiny/a@1', '', '\\', '"', '\0', '(', '%', "' OR 1=1 --", 'é'.repeat(2_000)];
    const grown = fc.tuple(fc.constantFrom(...roots), fc.infiniteStream(fc.nat())).map(([root, dice]) => {
      const roll = (sides: number): number => (dice.next().value as number) % sides;
      return randomDocument(schema, root, () => words[roll(words.length)] ?? '', roll);
    });
    const tokens = fc.constantFrom(
      '{',
      '}',
      '(',
      ')',
      '[',
      ']',
      ':',
      '$',
      '@',
      '!',
      '...',
      'query',
      'fragment',
      'on',
      'nodes',
    );
    const document = fc.oneof(
      grown,
      grown.chain((text) => damaged(Buffer.from(text)).map((bytes) => bytes.toString('utf8'))),
      fc.array(tokens, { maxLength: 200 }).map((all) => all.join(' ')),
    );
    await fc.assert(
      fc.asyncProperty(document, (query) => answered('/graphql', JSON.stringify({ query }), 'application/json')),
      PARAMETERS,
    );
    expect((await registry.service.call('/health/live', { key: null })).status).toBe(200);
  });
});
