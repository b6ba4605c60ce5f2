/** The service as strangers meet it: what it says of itself, what it lets browsers do, how long it waits for bytes. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { RawConnection } from './support/raw-http.js';
import { TestService } from './support/service.js';
import { created, startWithSmallTree, type SmallTree } from './support/small-tree.js';

const STALL_MS = 1_000;
const PAGE = 'https://app.example.org';

let tree: SmallTree;
let service: TestService;
beforeAll(async () => {
  tree = await startWithSmallTree({
    ESPALIER_STALL_MS: String(STALL_MS),
    ESPALIER_CORS_ORIGINS: `${PAGE}, https://other.example.org:8443`,
    ESPALIER_METRICS_PORT: '0',
    ESPALIER_LOG_LEVEL: 'trace',
  });
  service = tree.service;
}, 130_000);
afterAll(() => service.remove(), 30_000);

/** One by one. */
function bytesOf(text: string): string[] {
  return Array.from(text);
}

describe('headers', () => {
  test.each([
    ['/health/live', 200],
    ['/api/v1/nodes', 200],
    ['/nowhere', 404],
    ['/%', 400],
  ])('of %s keep browsers from all that is not asked for', async (path, status) => {
    const answer = await service.call(path, { undescribed: true });
    expect(answer.status).toBe(status);
    const { headers } = answer;
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d+$/);
    expect(headers.get('x-request-id')).toBeTruthy();
    expect(headers.get('server')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
  });

  test('of a stream are the same', async () => {
    const json = { model: 'story', prompt: 'The', max_tokens: 2, stream: true };
    const response = await service.fetch('/v1/completions', { json });
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    await response.text();
  });
});

describe('other origins', () => {
  const ask = (origin: string) =>
    service.fetch('/v1/completions', {
      method: 'OPTIONS',
      key: null,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  test('that are listed may ask without a key, and read answers', async () => {
    const preflight = await ask(PAGE);
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    const answer = await service.call('/v1/models', { headers: { origin: PAGE } });
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
    // Also what went wrong.
    const refused = await service.call('/v1/models', { key: null, headers: { origin: PAGE } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(PAGE);
  });

  test('that are not listed are told nothing', async () => {
    const preflight = await ask('https://evil.example.org');
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    const answer = await service.call('/v1/models', { headers: { origin: 'https://evil.example.org' } });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('are all unlisted by default', async () => {
    const other = await TestService.start();
    const answer = await other.call('/v1/models', { headers: { origin: PAGE } });
    const preflight = await other.fetch('/v1/models', { method: 'OPTIONS', headers: { origin: PAGE } });
    await other.remove();
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    expect(preflight.status).toBe(405);
  }, 60_000);
});

describe('time', () => {
  const authorization = () => `Authorization: Bearer ${service.keys.admin}`;

  test('headers that trickle in are given up', async () => {
    const connection = new RawConnection(service.url);
    const begun = Date.now();
    const letters = 'X-Slow: '.padEnd(1000, 'a');
    await connection.sendSlowly(['GET /health/live HTTP/1.1\r\nHost: x\r\n', ...bytesOf(letters)], 100);
    await connection.closed;
    expect(Date.now() - begun).toBeLessThan(8_000);
    expect(connection.received).toContain('408 Request Timeout');
    expect(connection.received).toContain('"code":"request_timeout"');
  }, 20_000);

  test('a body that trickles in is given up', async () => {
    const connection = new RawConnection(service.url);
    const head = `POST /v1/completions HTTP/1.1\r\nHost: x\r\n${authorization()}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
    await connection.sendSlowly([head, ...bytesOf('{"model":"'.padEnd(1000, 'a'))], 100);
    await connection.closed;
    expect(connection.received).toContain('HTTP/1.1 408');
    expect(connection.received).toContain('"code":"request_timeout"');
  }, 20_000);

  test('so is an upload whose bytes stop', async () => {
    const connection = new RawConnection(service.url);
    const head = `POST /api/v1/revisions HTTP/1.1\r\nHost: x\r\n${authorization()}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n`;
    connection.send(`${head}--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nstory/new\r\n--b\r\n`);
    await connection.closed;
    expect(connection.received).toContain('HTTP/1.1 408');
    expect((await service.call('/health/live')).status).toBe(200);
  }, 20_000);

  test('an upload that comes slowly, but comes, is read to its end', async () => {
    const connection = new RawConnection(service.url);
    const parts = Array.from({ length: 8 }, () => ' '.repeat(8 * 1024));
    const last = '{"path":"story/none","folder":"/nowhere"}';
    const length = parts.join('').length + last.length;
    const head = `POST /api/v1/revisions HTTP/1.1\r\nHost: x\r\n${authorization()}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
    // Three times as long as bytes may fail to come.
    await connection.sendSlowly([head, ...parts, last], 400);
    await connection.closed;
    expect(connection.received).toMatch(/"code":"folder_not_(allowed|found)"/);
  }, 20_000);

  test('an answer may take longer than any of that', async () => {
    const json = { model: 'story', prompt: 'The', max_tokens: 480, ignore_eos: true, n: 4 };
    const begun = Date.now();
    expect((await service.call('/v1/completions', { json })).status).toBe(200);
    expect(Date.now() - begun).toBeGreaterThan(STALL_MS);
  }, 60_000);
});

describe('bytes that are no HTTP', () => {
  test.each([
    ['garbage', 'GARBAGE\r\n\r\n', 400, 'malformed_http'],
    ['headers past all measure', `GET / HTTP/1.1\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ])(
    '%s',
    async (_, text, status, code) => {
      const connection = new RawConnection(service.url);
      connection.send(text);
      await connection.closed;
      expect(connection.received).toContain(`HTTP/1.1 ${status}`);
      expect(connection.received).toContain(`"code":"${code}"`);
    },
    20_000,
  );
});

describe('methods', () => {
  test.each([
    ['PUT', '/v1/completions', 'POST'],
    ['DELETE', '/v1/models/story/french', 'GET, HEAD'],
    ['POST', '/health/live', 'GET, HEAD'],
  ])('%s %s is told what there is', async (method, path, allow) => {
    const { status, headers, body } = await service.call(path, { method, key: null });
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe(allow);
    expect(body).toMatchObject({ error: { code: 'method_not_allowed', details: { allowed: allow.split(', ') } } });
  });

  test('of a path that is not there are all the same', async () => {
    expect((await service.call('/nowhere', { method: 'PUT' })).status).toBe(404);
  });
});

test.each([
  ['no boundary', 'multipart/form-data', 'x'],
  ['a boundary past all measure', `multipart/form-data; boundary=${'b'.repeat(300)}`, 'x'],
  ['no part', 'multipart/form-data; boundary=b', 'x'],
  ['no end', 'multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nstory'],
  [
    'a file without end',
    'multipart/form-data; boundary=b',
    '--b\r\nContent-Disposition: form-data; name="adapter_config.json"; filename="a"\r\n\r\n{',
  ],
  [
    'too many parts',
    'multipart/form-data; boundary=b',
    `${Array.from({ length: 40 }, (_, n) => `--b\r\nContent-Disposition: form-data; name="f${n}"\r\n\r\nx\r\n`).join('')}--b--\r\n`,
  ],
])('a form with %s is the fault of who sent it', async (_, type, body) => {
  const answer = await service.call('/api/v1/revisions', { body, headers: { 'content-type': type } });
  expect([answer.status, answer.body]).toMatchObject([400, { error: { code: 'invalid_request' } }]);
});

describe('metrics', () => {
  test('need their scope, and no more', async () => {
    const key = async (...scopes: string[]): Promise<string> =>
      ((await created(service, '/api/v1/keys', { name: 'm', scopes })) as unknown as NewKeyDto).key;
    const metrics = await key('metrics');
    expect((await service.call('/metrics', { key: metrics })).status).toBe(200);
    expect((await service.call('/api/v1/nodes', { key: metrics })).status).toBe(403);
    expect((await service.call('/metrics', { key: await key('read', 'write', 'promote', 'infer') })).status).toBe(403);
  });

  test('are there without a key on a port of their own, on this machine alone', async () => {
    const url = /"url":"(http:\/\/127\.0\.0\.1:\d+)\/metrics"/.exec(service.logs)?.[1];
    const answer = await fetch(`${url}/metrics`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('espalier_engine_up');
    expect((await fetch(`${url}/api/v1/nodes`)).status).toBe(404);
  });

  test('name no node but for the requests that run', async () => {
    const stream = await service.fetch('/v1/completions', {
      json: { model: 'story/french/verne', prompt: 'The', max_tokens: 400, ignore_eos: true, stream: true },
    });
    const { body } = await service.call<string>('/metrics');
    await stream.body?.cancel();
    const naming = body.split('\n').filter((line) => /story|french|verne|german/.test(line));
    expect(naming).toHaveLength(1);
    expect(naming[0]).toMatch(/^vllm:lora_requests_info\{/);
  });
});

describe('secrets', () => {
  test('are in no log, whatever happens to the request', async () => {
    const foreign = `esp_0123456789ab_${'s'.repeat(43)}`;
    await service.call('/v1/models', { key: foreign });
    await service.call('/v1/models?key=esp_in_a_query', { undescribed: true });
    await service.call('/v1/completions', { json: { model: 'story', prompt: 'a prompt of secrets', max_tokens: 1 } });
    await service.call('/v1/completions', { json: { model: 'story', prompt: 'a prompt of secrets', wrong: true } });
    await service.call('/v1/completions', {
      body: '{"prompt": "a prompt of secrets',
      headers: { 'content-type': 'application/json' },
    });
    // Cut off midway, which is logged too.
    const { hostname, port } = new URL(service.url);
    const cut = request({ hostname, port, path: '/v1/models', headers: { authorization: `Bearer ${foreign}` } });
    cut.on('error', () => undefined).end(() => cut.destroy());
    await sleep(200);
    expect(service.logs).toContain('"path":"/v1/models"');
    for (const secret of [service.keys.admin, service.keys.infer, foreign, 'esp_in_a_query', 'a prompt of secrets']) {
      expect(service.logs).not.toContain(secret);
    }
    expect(service.logs.toLowerCase()).not.toContain('bearer ');
  });

  test('the password of the database is told to nobody, though it cannot be reached', async () => {
    const failing = await TestService.prepare({
      env: {
        DATABASE_URL: 'postgresql://espalier:hunter2-of-the-database@127.0.0.1:9/none',
        ESPALIER_LOG_LEVEL: 'trace',
      },
    });
    const failure = await failing.launch().catch((error: unknown) => String(error));
    await failing.remove();
    expect(failure).toContain('127.0.0.1');
    expect(failure).not.toContain('hunter2');
  }, 60_000);
});

test('no answer has a stack trace', async () => {
  const answers = await Promise.all([
    service.call('/%', { undescribed: true }),
    service.call('/nowhere'),
    service.call('/api/v1/nodes?limit=x'),
    service.call('/v1/completions', { json: { model: 'none' } }),
    service.call('/v1/completions', { body: '{', headers: { 'content-type': 'application/json' } }),
    service.call('/v1/completions', { body: 'x', headers: { 'content-type': 'text/plain' } }),
    service.call('/graphql', { json: { query: '{' } }),
    service.call('/api/v1/revisions', { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=b' } }),
  ]);
  for (const { status, body } of answers) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(body)).not.toMatch(/\bat \S+ \(|\.js:\d|node_modules|\bstack\b/i);
  }
});
