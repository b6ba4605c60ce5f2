/** The HTTP layer as the service sets it up, over routes of the test's own. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Module, Param, Post, Query, type INestApplication } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { z } from 'zod';
import { readConfig } from '../../../src/config.js';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { ErrorFilter } from '../../../src/http/error-filter.js';
import { Lifecycle } from '../../../src/http/lifecycle.js';
import { createAdapter } from '../../../src/http/server.js';
import { validationPipe } from '../../../src/http/validation.js';

const Order = z.strictObject({
  fruit: z.string(),
  count: z.number().int().default(1),
  lines: z.array(z.object({ note: z.string() })).optional(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
});
const Page = z.object({ limit: z.coerce.number().int().max(100).default(20) });

@Controller()
class Orchard {
  @Post('orders')
  order(@Body({ schema: Order }) order: z.infer<typeof Order>): unknown {
    return order;
  }

  @Get('orders')
  list(@Query({ schema: Page }) page: z.infer<typeof Page>): unknown {
    return page;
  }

  @Get('trees/:path')
  tree(@Param('path') path: string): unknown {
    return { names: path.split('/').length };
  }

  @Post('harvest')
  harvest(): unknown {
    return { done: true };
  }

  @Get('secret-failure')
  fail(): never {
    throw new Error('password=hunter2');
  }

  @Get('busy')
  busy(): never {
    throw new EspalierError({ code: 'overloaded', status: 429, message: 'Later.', retryAfterSeconds: 7 });
  }
}

const silent = pino({ enabled: false });

@Module({
  controllers: [Orchard],
  providers: [
    { provide: APP_PIPE, useFactory: validationPipe },
    { provide: APP_FILTER, useFactory: () => new ErrorFilter(silent) },
  ],
})
class OrchardModule {}

interface Answer {
  status: number;
  headers: Headers;
  body: { error?: { message: string; type: string; param: string | null; code: string; details?: unknown } };
}

const lifecycle = new Lifecycle();
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  const config = readConfig({ ESPALIER_MAX_PROMPT_BYTES: String(512 * 1024) });
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares options as a class
  app = await NestFactory.create<NestFastifyApplication>(OrchardModule, createAdapter(config, silent, lifecycle), {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(() => (app as INestApplication).close());

async function send(
  method: 'GET' | 'POST',
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method, body, headers: { ...type, ...headers } });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

const order = (value: unknown) => send('POST', '/orders', JSON.stringify(value));

describe('validation', () => {
  it('gives handlers what the schema puts out', async () => {
    expect(await order({ fruit: 'pear' })).toMatchObject({ status: 201, body: { fruit: 'pear', count: 1 } });
    expect((await send('GET', '/orders?limit=5')).body).toEqual({ limit: 5 });
  });

  it.each([
    [{ count: 1 }, 'fruit'],
    [{ fruit: 'pear', count: 1.5 }, 'count'],
    [{ fruit: 'pear', lines: [{ note: 'a' }, { note: 3 }] }, 'lines[1].note'],
    [{ fruit: 'pear', colour: 'green' }, 'colour'],
    [{ fruit: 'pear', stop: ['a', 1] }, 'stop[1]'],
    [{ fruit: 'pear', stop: 5 }, 'stop'],
  ])('names the field that is at fault in %j', async (value, param) => {
    const { status, body } = await order(value);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_request', type: 'invalid_request_error', param });
    expect(body.error?.message).toContain(param);
  });

  it('names the parameter of a query', async () => {
    expect((await send('GET', '/orders?limit=many')).body.error).toMatchObject({ param: 'limit' });
  });
});

describe('paths', () => {
  it('may hold the longest path of a node, percent-encoded', async () => {
    const path = Array.from({ length: 33 }, () => 'n'.repeat(64)).join('/');
    expect((await send('GET', `/trees/${encodeURIComponent(path)}`)).body).toEqual({ names: 33 });
  });
});

describe('bodies', () => {
  const refusals: [string, string | Uint8Array<ArrayBuffer>, number, string][] = [
    ['no JSON', '{"fruit":', 400, 'invalid_json'],
    ['nothing', '', 400, 'invalid_request'],
    ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 400, 'invalid_json'],
    ['1 MB of opening brackets', '['.repeat(1024 * 1024), 400, 'json_too_deep'],
    ['1 MB of nested objects', '{"a":'.repeat(200_000), 400, 'json_too_deep'],
    ['1 MB of nesting that is closed', '['.repeat(512 * 1024) + ']'.repeat(512 * 1024), 400, 'json_too_deep'],
    ['more than the limit', `"${'x'.repeat(3 * 1024 * 1024)}"`, 413, 'body_too_large'],
  ];
  it.each(refusals)('of %s are refused', async (_name, payload, status, code) => {
    const answer = await send('POST', '/orders', payload);
    expect(answer.status).toBe(status);
    expect(answer.body.error?.code).toBe(code);
    expect(await order({ fruit: 'pear' })).toMatchObject({ status: 201 });
  });

  it('may be left out where none is needed, whatever type is announced', async () => {
    const json = { 'content-type': 'application/json' };
    expect(await send('POST', '/harvest', undefined, json)).toMatchObject({ status: 201, body: { done: true } });
    expect(await send('POST', '/orders', undefined, json)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request' } },
    });
  });

  it('may hold brackets, quotes and backslashes in strings', async () => {
    const fruit = `${'[{'.repeat(500)}"\\"\\\\`;
    expect((await order({ fruit })).body).toMatchObject({ fruit });
  });

  it('of another type are refused', async () => {
    const answer = await send('POST', '/orders', 'fruit=pear', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(answer).toMatchObject({ status: 415, body: { error: { code: 'unsupported_media_type' } } });
  });

  it('can’t set prototypes', async () => {
    const answer = await send('POST', '/orders', '{"fruit":"pear","__proto__":{"admin":true}}');
    expect((answer.body as Record<string, unknown>)['admin']).toBeUndefined();
  });
});

describe('errors', () => {
  it('say that there is no such route', async () => {
    const { status, body } = await send('GET', '/nowhere?x=1');
    expect(status).toBe(404);
    expect(body.error).toMatchObject({
      code: 'route_not_found',
      message: 'There is no GET /nowhere here.',
      param: null,
    });
  });

  it('that nobody foresaw tell nothing but where to look', async () => {
    const { status, body, headers } = await send('GET', '/secret-failure', undefined, { 'x-request-id': 'req-1' });
    expect(status).toBe(500);
    expect(headers.get('x-request-id')).toBe('req-1');
    expect(body.error).toMatchObject({ code: 'internal_error', type: 'server_error' });
    expect(body.error?.message).toContain('req-1');
    expect(JSON.stringify(body)).not.toMatch(/hunter2|stack|\.ts/);
  });

  it('of overload say when to come back', async () => {
    const { status, headers, body } = await send('GET', '/busy');
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('7');
    expect(body.error?.type).toBe('rate_limit_error');
  });

  it('are given for malformed URLs too', async () => {
    expect(await send('GET', '/orders/%E0%A4%A')).toMatchObject({ body: { error: { code: expect.any(String) } } });
  });
});

describe('request ids', () => {
  it.each(['', 'has spaces', 'x'.repeat(200), '"quoted"'])('are ours where the caller’s is %j', async (given) => {
    const { headers } = await send('GET', '/orders', undefined, { 'x-request-id': given });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('stopping', () => {
  it('turns new requests away', async () => {
    lifecycle.beginStop();
    const { status, headers, body } = await send('GET', '/orders');
    expect(status).toBe(503);
    expect(body.error?.code).toBe('shutting_down');
    expect(headers.get('connection')).toBe('close');
  });
});
