/** Adapters from the hub: by commit, streamed, under limits; and a hub that is down, refuses, lies, or leads elsewhere. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { PushedRevisionDto, RevisionWithCardDto } from '../../src/registry/dto/revision.dto.js';
import { FakeHub } from './support/fake-hub.js';
import { TinyRegistry, type ErrorBody } from './support/tiny-registry.js';

jest.setTimeout(120_000);

const FIRST = '1'.repeat(40);
const SECOND = '2'.repeat(40);

let hub: FakeHub;
let registry: TinyRegistry;
beforeAll(async () => {
  hub = await FakeHub.start();
  registry = await TinyRegistry.start({
    env: {
      ESPALIER_HUB_URL: hub.url,
      ESPALIER_HUB_CDNS: hub.cdnUrl,
      ESPALIER_MAX_UPLOAD_MB: '1',
      ESPALIER_STALL_MS: '1000',
      ESPALIER_LOG_LEVEL: 'trace',
    },
  });
});
afterAll(async () => {
  hub.close();
  await registry.remove();
});
beforeEach(() => {
  hub.seen.length = 0;
  hub.redirect = null;
  hub.intercept = null;
  hub.served = null;
  hub.xet = false;
});

async function repo(
  name: string,
  seed: number,
  { folder = '', readme = '', ...more }: { folder?: string; readme?: string; token?: string; gated?: boolean } = {},
): Promise<void> {
  const adapter = await registry.adapter(`hub-${name.replace('/', '-')}`, { seed });
  const at = folder === '' ? '' : `${folder}/`;
  const files: Record<string, Uint8Array> = {};
  for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
    files[at + file] = await readFile(join(adapter, file));
  }
  if (readme !== '') files[`${at}README.md`] = Buffer.from(readme);
  hub.repos[name] = { files, revisions: { main: SECOND, v1: FIRST }, ...more };
}

const push = <T = PushedRevisionDto>(path: string, reference: object, more: object = {}) =>
  registry.service.call<T>('/api/v1/revisions', { json: { path, hub: reference, ...more } });

async function refusal(path: string, reference: object) {
  const before = await blobs();
  const { status, body } = await push<ErrorBody>(path, reference);
  expect(await blobs()).toEqual(before);
  return { status, ...body.error };
}

async function blobs(): Promise<string[]> {
  const files = await readdir(join(registry.service.dataFolder, 'blobs'), { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map(({ name }) => name)
    .sort();
}

describe('an adapter of the hub', () => {
  test('comes at the commit that its branch has, which the revision remembers, with its README.md', async () => {
    await repo('acme/french', 1, { readme: '# French' });
    const { status, body } = await push('tiny/french', { repo: 'acme/french' }, { message: 'from the hub' });
    expect(status).toBe(201);
    const source = { hub: hub.url, repo: 'acme/french', revision: 'main', commit: SECOND, folder: null };
    expect(body).toMatchObject({ source, message: 'from the hub', hasCard: true });
    expect((await registry.get<RevisionWithCardDto>(`/revisions/${body.id}`)).card).toBe('# French');
    for (const { url } of hub.seen.filter((one) => one.url.includes('/resolve/'))) expect(url).toContain(SECOND);
    const direct = await registry.pushFolder({
      path: 'tiny/french',
      folder: await registry.adapter('hub-acme-french', { seed: 1 }),
    });
    expect(direct.body).toMatchObject({ id: body.id, unchanged: true });
    const again = await push('tiny/french', { repo: 'acme/french', revision: 'v1' });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ unchanged: true, source });
  });

  test('comes from a folder of its repository, by a tag', async () => {
    await repo('acme/many', 2, { folder: 'checkpoints/3' });
    const reference = { repo: 'acme/many', revision: 'v1', folder: 'checkpoints/3' };
    const { status, body } = await push('tiny/many', reference, { card: 'given' });
    expect(status).toBe(201);
    expect(body.source).toEqual({ hub: hub.url, ...reference, commit: FIRST });
    expect(await refusal('tiny/many', { repo: 'acme/many' })).toMatchObject({ status: 400, code: 'missing_file' });
  });

  test('comes over plain HTTP where the hub keeps it by xet', async () => {
    hub.xet = true;
    await repo('acme/xet', 3);
    expect((await push('tiny/xet', { repo: 'acme/xet' })).status).toBe(201);
  });

  test('is private, and comes with a token, which goes to the hub alone and stays nowhere', async () => {
    await repo('acme/private', 4, { token: 'hf_good' });
    expect(await refusal('tiny/private', { repo: 'acme/private' })).toMatchObject({
      status: 404,
      code: 'hub_not_found',
    });
    const { status, body } = await push('tiny/private', { repo: 'acme/private', token: 'hf_good' });
    expect(status).toBe(201);
    expect(JSON.stringify(body)).not.toContain('hf_good');
    const withToken = hub.seen.filter(({ authorization }) => authorization === 'Bearer hf_good');
    expect(withToken.length).toBeGreaterThan(2);
    expect(withToken.every(({ server }) => server === 'hub')).toBe(true);
    expect(hub.seen.some(({ server }) => server === 'cdn')).toBe(true);
    expect(registry.service.logs + registry.service.output).not.toContain('hf_good');
    const audit = await registry.service.call<string>('/api/v1/audit');
    expect(JSON.stringify(audit.body)).toContain('acme/private');
    expect(JSON.stringify(audit.body)).not.toContain('hf_good');
  });
});

describe('a push from the hub that is refused leaves nothing, and says why:', () => {
  test('no such repository, revision or right to it', async () => {
    await repo('acme/gated', 5, { gated: true });
    expect(await refusal('tiny/no', { repo: 'acme/none' })).toMatchObject({ status: 404, code: 'hub_not_found' });
    expect(await refusal('tiny/no', { repo: 'acme/none', token: 'hf_good' })).toMatchObject({ code: 'hub_not_found' });
    expect(await refusal('tiny/no', { repo: 'acme/gated', revision: 'v9' })).toMatchObject({ code: 'hub_not_found' });
    expect(await refusal('tiny/no', { repo: 'acme/gated' })).toMatchObject({ status: 403, code: 'hub_refused' });
    const wrong = await refusal('tiny/no', { repo: 'acme/gated', token: 'hf_wrong' });
    expect(wrong).toMatchObject({ status: 403, code: 'hub_refused' });
    expect(JSON.stringify(wrong)).not.toContain('hf_wrong');
    expect(registry.service.logs).not.toContain('hf_wrong');
  });

  test.each([
    [{ repo: '../etc' }],
    [{ repo: 'a/b/c' }],
    [{ repo: 'acme/x', revision: '../../main' }],
    [{ repo: 'acme/x', folder: '../other' }],
    [{ repo: 'acme/x', folder: '/etc' }],
    [{ repo: 'acme/x', token: 'secret-of-another-kind' }],
    [{ repo: 'acme/x', colour: 'red' }],
  ])('%j', async (reference) => {
    const refused = await refusal('tiny/no', reference);
    expect(refused).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(JSON.stringify(refused)).not.toContain('secret-of-another-kind');
    expect(hub.seen).toHaveLength(0);
  });

  test('a file over the limit, whether the hub says so or not', async () => {
    await repo('acme/huge', 6);
    const { files } = hub.repos['acme/huge']!;
    const small = files['adapter_model.safetensors']!;
    files['adapter_model.safetensors'] = Buffer.alloc(1024 * 1024 + 1);
    expect(await refusal('tiny/no', { repo: 'acme/huge' })).toMatchObject({ status: 413, code: 'blob_too_large' });
    expect(hub.seen.every(({ url }) => !url.includes('/resolve/'))).toBe(true);

    files['adapter_model.safetensors'] = small;
    let sent = 0;
    hub.served = (_path, response) => {
      response.writeHead(200, { 'content-range': 'bytes 0-0/9', etag: '"x"' });
      const more = setInterval(() => {
        sent += 1024 * 1024;
        response.write(Buffer.alloc(1024 * 1024));
      }, 5);
      response.once('close', () => clearInterval(more));
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/huge' })).toMatchObject({ status: 413, code: 'blob_too_large' });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test('an archive, an adapter of another base, other bytes than recorded', async () => {
    await repo('acme/zip', 7);
    hub.repos['acme/zip']!.files['adapter_config.json'] = Buffer.from('PK\x03\x04');
    expect(await refusal('tiny/no', { repo: 'acme/zip' })).toMatchObject({ status: 400, code: 'archive_refused' });
    await repo('acme/lie', 8);
    const other = await readFile(join(await registry.adapter('hub-other', { seed: 9 }), 'adapter_model.safetensors'));
    hub.served = (_path, response) => {
      response.writeHead(200, { 'content-range': `bytes 0-0/${other.length}`, etag: '"x"' }).end(other);
      return true;
    };
    const lie = await refusal('tiny/no', { repo: 'acme/lie' });
    expect(lie).toMatchObject({ status: 502, code: 'hub_unavailable' });
    expect(lie.message).toContain('adapter_model.safetensors');
  });

  test('a hub that stalls, breaks off, fails, or answers nonsense', async () => {
    await repo('acme/ill', 10);
    const unavailable = { status: 502, code: 'hub_unavailable' };
    hub.intercept = () => true;
    expect((await refusal('tiny/no', { repo: 'acme/ill' })).details).toMatchObject({
      reason: 'it sent nothing for 1000 ms',
    });
    hub.intercept = (_request, response) => {
      response.writeHead(500).end('oops');
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ill' })).toMatchObject(unavailable);
    hub.intercept = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ill' })).toMatchObject(unavailable);
    hub.intercept = (_request, response) => {
      response.writeHead(302, { location: '/again' }).end();
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ill' })).toMatchObject(unavailable);
    hub.intercept = null;
    hub.served = (_path, response) => {
      response.writeHead(200, { 'content-length': 5000, 'content-range': 'bytes 0-0/5000', etag: '"x"' });
      response.write(Buffer.alloc(100));
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ill' })).toMatchObject(unavailable);
    hub.served = (_path, response) => {
      response.writeHead(200, { 'content-length': 5000, 'content-range': 'bytes 0-0/5000', etag: '"x"' });
      response.write(Buffer.alloc(100), () => response.destroy());
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ill' })).toMatchObject(unavailable);
    hub.served = null;
    expect((await push('tiny/ill', { repo: 'acme/ill' })).status).toBe(201);
  });

  test('a redirect to where only this machine can reach', async () => {
    let asked = 0;
    const inside = createServer((_request, response) => {
      asked++;
      response.end('secret');
    });
    await once(inside.listen(0, '127.0.0.1'), 'listening');
    const { port } = inside.address() as AddressInfo;
    await repo('acme/ssrf', 11);
    for (const target of [
      `http://127.0.0.1:${port}/latest/meta-data`,
      `http://localhost:${new URL(hub.cdnUrl).port}/x`,
      'http://169.254.169.254/latest',
      'http://[::1]:9/',
      'file:///etc/passwd',
      `${hub.cdnUrl.replace('http:', 'https:')}/x`,
    ]) {
      hub.redirect = () => target;
      expect(await refusal('tiny/no', { repo: 'acme/ssrf' })).toMatchObject({
        status: 502,
        code: 'hub_redirect_refused',
      });
    }
    // The same for what a place of files redirects to.
    hub.redirect = null;
    hub.served = (_path, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end();
      return true;
    };
    expect(await refusal('tiny/no', { repo: 'acme/ssrf' })).toMatchObject({ code: 'hub_redirect_refused' });
    expect(asked).toBe(0);
    inside.close();
  });
});

test('a hub that is down, and none at all', async () => {
  const gone = await FakeHub.start();
  const { url } = gone;
  gone.close();
  const down = await TinyRegistry.start({ env: { ESPALIER_HUB_URL: url } });
  const off = await TinyRegistry.start({ env: { ESPALIER_HUB_URL: 'off' } });
  try {
    const json = { path: 'tiny/x', hub: { repo: 'acme/x' } };
    expect(await down.refusal('/revisions', { json })).toMatchObject({ status: 502, code: 'hub_unavailable' });
    expect(await off.refusal('/revisions', { json })).toMatchObject({ status: 403, code: 'hub_disabled' });
  } finally {
    await Promise.all([down.remove(), off.remove()]);
  }
});
