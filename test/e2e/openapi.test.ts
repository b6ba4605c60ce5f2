/** The description of the HTTP interface, and the page that shows it. */
import { Validator } from '@seriousme/openapi-schema-validator';
import type { OpenApiDocument } from './support/openapi.js';
import { TestService } from './support/service.js';

interface Described {
  summary?: string;
  operationId: string;
  responses: Record<string, object>;
  security: object[];
}

let service: TestService;
let operations: [name: string, operation: Described][];
let document: OpenApiDocument;
beforeAll(async () => {
  service = await TestService.start();
  ({ body: document } = await service.call<OpenApiDocument>('/openapi.json', { key: null }));
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Described] => [
      `${method.toUpperCase()} ${path}`,
      operation as Described,
    ]),
  );
}, 60_000);
afterAll(() => service.remove(), 30_000);

test('the document is valid, and no two operations have one id', async () => {
  expect(await new Validator().validate({ ...document })).toEqual({ valid: true });
  expect(document).toMatchObject({ openapi: '3.1.1' });
  const ids = operations.map(([, { operationId }]) => operationId);
  expect(ids).toEqual([...new Set(ids)]);
});

test('every route says what it does and what it answers', () => {
  expect(operations.length).toBeGreaterThan(40);
  const silent = operations.filter(([, { summary, responses }]) => {
    const declared = Object.keys(responses).some((status) => status < '4');
    return summary === undefined || summary === '' || !declared;
  });
  expect(silent.map(([name]) => name)).toEqual([]);
});

test('only what holds no data is there for strangers, and that is as it says', async () => {
  const open = operations.filter(([, { security }]) => security.length === 0).map(([name]) => name);
  expect(open.sort()).toEqual([
    'GET /docs',
    'GET /docs/{file}',
    'GET /health/live',
    'GET /health/ready',
    'GET /openapi.json',
  ]);
  for (const [name, { security }] of operations) {
    const [method = '', template = ''] = name.split(' ');
    if (security.length === 0 || method === 'HEAD') continue;
    const path = template.replaceAll(/\{\w+\}/g, 'x');
    expect([name, (await service.call(path, { method, key: null })).status]).toEqual([name, 401]);
  }
});

test('the page has all that it needs here, and may load nothing else', async () => {
  const page = await service.call<string>('/docs', { key: null });
  expect(page.headers.get('content-type')).toContain('text/html');
  const policy = page.headers.get('content-security-policy');
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/https?:|unsafe-eval|script-src[^;]*unsafe-inline/);
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = '']) => file);
  expect(files).toHaveLength(4);
  for (const file of files) {
    const { status, headers } = await service.fetch(`/${file}`, { key: null });
    expect([file, status]).toEqual([file, 200]);
    expect(headers.get('content-type')).toMatch(/javascript|css|png/);
  }
  expect(page.body).not.toContain('<script>');
});
