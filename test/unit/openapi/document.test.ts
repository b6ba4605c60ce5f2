import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { Public, RequireScope } from '../../../src/access/scope.js';
import { Answers, bytes, events, json, multipart } from '../../../src/http/answers.js';
import { IfMatch } from '../../../src/http/version-tag.js';
import { buildDocument } from '../../../src/openapi/document.js';
import { routesOf } from '../../../src/openapi/route.js';

const leaf = z.object({ name: z.string(), size: z.number().default(1) }).meta({ id: 'Leaf' });
const branch = z.object({ id: z.string(), leaves: z.array(leaf), version: z.number() }).meta({ id: 'Branch' });
const query = z.strictObject({ limit: z.coerce.number().int().max(10).default(5), under: z.string().optional() });
const upload = z.strictObject({ path: z.string() });

@Controller('api/branches')
@RequireScope('read')
class BranchesController {
  @Get()
  @Answers('Lists them.', { 200: z.object({ data: z.array(branch) }) })
  list(@Query({ schema: query }) query: unknown): unknown {
    return query;
  }

  @Put(':branch')
  @RequireScope('write', 'promote')
  @Answers('Changes one.', { 200: branch })
  change(@Param('branch') branch: string, @IfMatch() version: number, @Body({ schema: leaf }) leaf: unknown): unknown {
    return [branch, version, leaf];
  }

  @Post()
  @Answers('Takes files.', { 201: branch, 200: branch }, { takes: [json(leaf), multipart(upload)] })
  push(): void {}

  @Post('grow')
  @HttpCode(200)
  @Public()
  @Answers('Grows.', { 200: [json(branch), events(leaf)] })
  grow(): void {}

  @Get('files/*')
  @Answers('Reads a file.', { 200: bytes('application/zip') }, { wildcard: 'file' })
  file(): void {}

  @Get('secret')
  undeclared(): void {}

  helper(): void {}
}

const routes = routesOf(BranchesController);
const document = buildDocument(routes, '1.2.3');
const { paths, components } = document as unknown as ReadDocument;

/** As far as the tests read it. */
interface ReadDocument {
  paths: Record<string, Record<string, ReadOperation>>;
  components: {
    schemas: Record<string, { required: string[] }>;
    responses: Record<string, ReadResponse>;
  };
}
interface ReadOperation {
  parameters: { name: string; in: string }[];
  requestBody: { content: object };
  security: object[];
  responses: Record<string, ReadResponse>;
}
interface ReadResponse {
  headers: object;
  content: Record<string, { schema: object }>;
}

test('the document is valid', async () => {
  expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
  expect(document).toMatchObject({ openapi: '3.1.1', info: { version: '1.2.3' } });
});

test('every route is there, and one without answers is told apart', () => {
  expect(Object.keys(paths)).toEqual([
    '/api/branches',
    '/api/branches/{branch}',
    '/api/branches/files/{file}',
    '/api/branches/grow',
    '/api/branches/secret',
  ]);
  expect(routes.filter(({ answers }) => answers === null).map(({ handler }) => handler)).toEqual(['undeclared']);
});

test('what a route takes comes from the schemas of its parameters', () => {
  const { get, post } = paths['/api/branches']!;
  expect(get!.parameters).toEqual([
    {
      name: 'limit',
      in: 'query',
      required: false,
      schema: expect.objectContaining({ type: 'integer', default: 5 }) as unknown,
    },
    { name: 'under', in: 'query', required: false, schema: { type: 'string' } },
  ]);
  const change = paths['/api/branches/{branch}']!['put']!;
  expect(change.parameters.map(({ name, in: where }) => `${where} ${name}`)).toEqual([
    'path branch',
    'header if-match',
  ]);
  // A default makes what goes in another schema than what comes out.
  expect(change.requestBody).toEqual({
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/LeafInput' } } },
  });
  expect(components.schemas['LeafInput']!.required).toEqual(['name']);
  expect(components.schemas['Leaf']!.required).toEqual(['name', 'size']);
  expect(Object.keys(post!.requestBody.content)).toEqual(['application/json', 'multipart/form-data']);
  expect(paths['/api/branches/files/{file}']!['get']!.parameters).toMatchObject([
    { name: 'file', 'x-many-segments': true },
  ]);
});

test('scopes are alternatives; a public route needs none', () => {
  expect(paths['/api/branches']!['get']!.security).toEqual([{ key: ['read'] }]);
  expect(paths['/api/branches/{branch}']!['put']!.security).toEqual([{ key: ['write'] }, { key: ['promote'] }]);
  expect(paths['/api/branches/grow']!['post']!.security).toEqual([]);
  expect(paths['/api/branches/grow']!['post']!.responses).not.toHaveProperty('401');
});

test('answers have their forms, headers and errors', () => {
  const { responses } = paths['/api/branches/{branch}']!['put']!;
  expect(responses['200']!.content).toEqual({
    'application/json': { schema: { $ref: '#/components/schemas/Branch' } },
  });
  expect(Object.keys(responses['200']!.headers)).toContain('etag');
  expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '413', '415', '429', '4XX', '5XX']);
  expect(Object.keys(paths['/api/branches/grow']!['post']!.responses['200']!.content)).toEqual([
    'application/json',
    'text/event-stream',
  ]);
  const { schema } = components.responses['Error429']!.content['application/json']!;
  expect(schema).toMatchObject({
    allOf: [
      {},
      { properties: { error: { properties: { code: { enum: expect.arrayContaining(['overloaded']) as unknown } } } } },
    ],
  });
});

test('two schemas of one name are refused', () => {
  class TwiceController {
    @Get('a')
    @Answers('', { 200: z.object({ a: z.string() }).meta({ id: 'Twice' }) })
    a(): void {}
    @Get('b')
    @Answers('', { 200: z.object({ b: z.string() }).meta({ id: 'Twice' }) })
    b(): void {}
  }
  Controller()(TwiceController);
  expect(() => buildDocument(routesOf(TwiceController), '1')).toThrow('Two schemas have the id "Twice"');
});
