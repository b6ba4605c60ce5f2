/** Keys and the first contact with a service, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TestService, type CallOptions } from './support/service.js';

interface ErrorAnswer {
  error: { message: string; type: string; param: string | null; code: string };
}

let service: TestService;
beforeAll(async () => {
  service = await TestService.start();
}, 130_000);
afterAll(() => service.remove());

const refusal = async (path: string, options: CallOptions) => {
  const { status, headers, body } = await service.call<ErrorAnswer>(path, options);
  return { status, code: body.error.code, challenge: headers.get('www-authenticate') };
};

describe('the first keys', () => {
  it('lie where only their owner can read them', async () => {
    const mode = async (...path: string[]) => (await stat(join(service.dataFolder, ...path))).mode & 0o777;
    expect(await mode()).toBe(0o700);
    expect(await mode('keys')).toBe(0o700);
    expect(await mode('keys', 'admin.key')).toBe(0o600);
    expect(await mode('keys', 'infer.key')).toBe(0o600);
    expect(service.output).toContain(join(service.dataFolder, 'keys', 'infer.key'));
  });

  it('lie nowhere else', async () => {
    await service.call('/v1/models', { key: service.keys.infer });
    const secrets = [service.keys.admin, service.keys.infer].map((key) => key.slice(key.indexOf('_', 4) + 1));
    const files = await readdir(service.dataFolder, { recursive: true, withFileTypes: true });
    let searched = 0;
    for (const file of files.filter((entry) => entry.isFile() && !entry.name.endsWith('.key'))) {
      const bytes = await readFile(join(file.parentPath, file.name));
      for (const secret of secrets) expect(bytes.includes(secret)).toBe(false);
      searched += 1;
    }
    expect(searched).toBeGreaterThan(0);
    for (const secret of secrets) expect(service.logs + service.output).not.toContain(secret);
  });

  it('open what their scopes allow', async () => {
    expect((await service.call('/v1/models', { key: service.keys.infer })).status).toBe(200);
    expect((await service.call('/v1/models', { key: service.keys.admin })).status).toBe(200);
    expect((await service.call('/api/v1/models', { key: service.keys.admin })).status).toBe(200);
    expect(await refusal('/api/v1/nodes', { key: service.keys.infer, json: { path: 'a/b' } })).toMatchObject({
      status: 403,
      code: 'missing_scope',
    });
  });
});

describe('a request without a good key', () => {
  it.each([
    ['none', {}],
    ['one that nobody knows', { authorization: `Bearer esp_0123456789ab_${'x'.repeat(43)}` }],
    ['one that is no key', { authorization: 'Bearer hello' }],
    ['another kind of credentials', { authorization: 'Basic YTpi' }],
  ])('(%s) is refused', async (_name, headers) => {
    for (const path of ['/v1/models', '/api/v1/models', '/metrics']) {
      expect(await refusal(path, { key: null, headers })).toEqual({
        status: 401,
        code: 'invalid_api_key',
        challenge: 'Bearer',
      });
    }
  });

  it('is refused with the right prefix and a wrong secret', async () => {
    const key = service.keys.admin.slice(0, -1) + (service.keys.admin.endsWith('A') ? 'B' : 'A');
    expect(await refusal('/v1/models', { key })).toMatchObject({ status: 401 });
  });

  it('is refused before its body is read', async () => {
    expect(await refusal('/v1/completions', { key: null, body: '{', method: 'POST' })).toMatchObject({ status: 401 });
  });

  it('may ask for health', async () => {
    expect((await service.call('/health/live', { key: null })).status).toBe(200);
  });
});

describe('a bad request', () => {
  it.each([
    ['1 MB of nesting', '['.repeat(1024 * 1024), 'json_too_deep'],
    ['broken JSON', '{"model":', 'invalid_json'],
    ['JSON of another shape', '[1, 2]', 'invalid_request'],
  ])('(%s) gets an answer, and the service goes on', async (_name, body, code) => {
    const headers = { 'content-type': 'application/json' };
    expect(await refusal('/v1/completions', { body, headers })).toMatchObject({ status: 400, code });
    expect((await service.call('/v1/models')).status).toBe(200);
  });

  it('for a route that isn’t there says so', async () => {
    expect(await refusal('/v1/nowhere', {})).toMatchObject({ status: 404, code: 'route_not_found' });
    // Before the body is read: strangers can't have it parsed.
    const unread = { key: null, body: '{"model":', headers: { 'content-type': 'application/json' } };
    expect(await refusal('/v1/nowhere', unread)).toMatchObject({ status: 404, code: 'route_not_found' });
  });

  it('is found in the log by the id that the answer carries', async () => {
    const { headers } = await service.call('/v1/nowhere');
    const id = headers.get('x-request-id') ?? '';
    await service.call('/v1/models');
    const line = service.logs.split('\n').find((text) => text.includes(id)) ?? '';
    expect(JSON.parse(line)).toMatchObject({ requestId: id, method: 'GET', path: '/v1/nowhere', status: 404 });
  });
});
