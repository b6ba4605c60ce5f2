/** What a push says of its adapter, how it is kept and changed, and what is refused by name. */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import type { PushedRevisionDto, RevisionDto, RevisionWithCardDto } from '../../src/registry/dto/revision.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import { formOf, TinyRegistry, type ErrorBody } from './support/tiny-registry.js';

jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start({ env: { ESPALIER_MAX_UPLOAD_MB: '2' } });
});
afterAll(() => registry.remove());

async function key(scopes: string[], subtree?: string): Promise<string> {
  const { key } = await registry.post<{ key: string }>('/keys', { name: `${scopes.join()} key`, scopes, subtree }, 201);
  return key;
}

/** All blobs, and what else lies beside them. */
async function blobs(): Promise<string[]> {
  const files = await readdir(join(registry.service.dataFolder, 'blobs'), { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map(({ name }) => name)
    .sort();
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a push keeps', () => {
  test('author, message, metrics, tags and card, as JSON gives them', async () => {
    const folder = await registry.adapter('fields', { seed: 1 });
    const { status, body } = await registry.pushFolder({
      path: 'tiny/fields',
      folder,
      message: 'epoch 3',
      author: 'Ada',
      metrics: { eval_loss: 0.25, 'rouge/l': 41, 'recall@5': -1e-9 },
      tags: ['b', 'a', 'b'],
      card: '# Card\n\nÀ lire.',
    });
    expect(status).toBe(201);
    const fields = {
      message: 'epoch 3',
      author: 'Ada',
      metrics: { eval_loss: 0.25, 'rouge/l': 41, 'recall@5': -1e-9 },
      tags: ['a', 'b'],
      hasCard: true,
      source: null,
      recalled: null,
      version: 1,
    };
    expect(body).toMatchObject(fields);
    expect(body).not.toHaveProperty('card');
    const shown = await registry.service.call<RevisionWithCardDto>(`/api/v1/revisions/${body.id}`);
    expect(shown.body).toMatchObject({ ...fields, card: '# Card\n\nÀ lire.' });
    expect(shown.headers.get('etag')).toBe('"1"');
    const { data } = await registry.get<Page<RevisionDto>>('/nodes/tiny%2Ffields/revisions');
    expect(data[0]).toMatchObject(fields);
    expect(data[0]).not.toHaveProperty('card');

    const again = await registry.pushFolder({ path: 'tiny/fields', folder, author: 'Eve', metrics: { other: 1 } });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ ...fields, unchanged: true });
  });

  test('what a form gives: metrics and tags as JSON, the card as README.md', async () => {
    const form = await formOf(
      { path: 'tiny/form', metrics: '{"loss": 1.5}', tags: '["x"]' },
      await registry.adapter('form', { seed: 2 }),
    );
    form.set('README.md', new Blob(['card']), 'README.md');
    const { status, body } = await registry.service.call<PushedRevisionDto>('/api/v1/revisions', {
      method: 'POST',
      body: form,
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ metrics: { loss: 1.5 }, tags: ['x'], hasCard: true, author: 'admin' });
    expect(await registry.get(`/revisions/${body.id}`)).toMatchObject({ card: 'card' });
  });

  test('the README.md of a folder, unless the push brings a card', async () => {
    const folder = await registry.adapter('readme', { seed: 3 });
    await writeFile(join(folder, 'README.md'), 'from the folder');
    const read = await registry.pushFolder({ path: 'tiny/readme', folder });
    expect(await registry.get(`/revisions/${read.body.id}`)).toMatchObject({ card: 'from the folder' });
    const given = await registry.pushFolder({ path: 'tiny/readme-given', folder, card: '' });
    expect(await registry.get(`/revisions/${given.body.id}`)).toMatchObject({ card: '', hasCard: true });
    const none = await registry.push('tiny/no-readme', { seed: 4 });
    expect(await registry.get(`/revisions/${none.id}`)).toMatchObject({ card: null, hasCard: false });
  });

  test('only what it announced, where it gives digests', async () => {
    const folder = await registry.adapter('digests', { seed: 5 });
    const weights = sha256(await readFile(join(folder, 'adapter_model.safetensors')));
    const before = await blobs();
    const lies: Record<string, string>[] = [{ sha256: 'ab'.repeat(32) }, { digest: 'cd'.repeat(32) }];
    for (const wrong of lies) {
      for (const { status, body } of [
        await registry.service.call<ErrorBody>('/api/v1/revisions', {
          json: { path: 'tiny/digests', folder, ...wrong },
        }),
        await registry.pushForm<ErrorBody>({ path: 'tiny/digests', ...wrong }, folder),
      ]) {
        expect(status).toBe(422);
        expect(body.error).toMatchObject({ code: 'digest_mismatch', param: Object.keys(wrong)[0] });
      }
      expect(await blobs()).toEqual(before);
      expect(await registry.refusal('/nodes/tiny%2Fdigests')).toMatchObject({ code: 'path_not_found' });
    }
    const { body } = await registry.pushFolder({ path: 'tiny/digests', folder, sha256: weights.toUpperCase() });
    const again = await registry.pushFolder({ path: 'tiny/digests', folder, sha256: weights, digest: body.digest });
    expect(again.body).toMatchObject({ id: body.id, unchanged: true });
  });

  test.each<[string, object, string]>([
    ['a metric that is no number', { metrics: { loss: 'low' } }, 'metrics.loss'],
    ['a metric of no finite value', { metrics: JSON.parse('{"loss": 1e999}') as object }, 'metrics.loss'],
    ['a metric without a proper name', { metrics: { 'two words': 1 } }, 'metrics.two words'],
    [
      'more metrics than there may be',
      { metrics: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`m${i}`, i])) },
      'metrics',
    ],
    ['a tag with a space', { tags: ['a b'] }, 'tags[0]'],
    ['an empty author', { author: '' }, 'author'],
    ['a card over a megabyte', { card: 'é'.repeat(600_000) }, 'card'],
    ['a card with a NUL', { card: 'a\0b' }, 'card'],
    ['a digest that is none', { digest: 'abc' }, 'digest'],
  ])('not %s', async (_name, fields, param) => {
    const folder = await registry.adapter('good', { seed: 6 });
    const { status, body } = await registry.service.call<ErrorBody>('/api/v1/revisions', {
      body: JSON.stringify({ path: 'tiny/good', folder, ...fields }).replace('null', '1e999'),
      headers: { 'content-type': 'application/json' },
    });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_request', param });
  });

  test('nothing of a form whose metrics are no JSON', async () => {
    const folder = await registry.adapter('good', { seed: 6 });
    const { status, body } = await registry.pushForm<ErrorBody>({ path: 'tiny/good', metrics: '{loss: 1}' }, folder);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_request', param: 'metrics' });
  });
});

describe('what is refused by name:', () => {
  const archives: [string, Uint8Array][] = [
    ['zip', Buffer.from('PK\x03\x04and so on')],
    ['gzip', gzipSync('an adapter')],
    ['tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(500)])],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1])],
  ];

  test.each(archives)('%s in place of a file', async (kind, bytes) => {
    const before = await blobs();
    for (const name of ['adapter_config.json', 'adapter_model.safetensors', 'README.md']) {
      const form = await formOf({ path: 'tiny/archive' }, await registry.adapter('good', { seed: 6 }));
      form.set(name, new Blob([Uint8Array.from(bytes)]), name);
      const refusal = await registry.refusal('/revisions', { method: 'POST', body: form });
      expect(refusal).toMatchObject({ status: 400, code: 'archive_refused' });
      expect(refusal.message).toContain(name);
      expect(refusal.message).toContain(kind);
      const folder = join(registry.folder, `archive ${kind} ${name}`);
      await cp(await registry.adapter('good', { seed: 6 }), folder, { recursive: true });
      await writeFile(join(folder, name), bytes);
      const json = { path: 'tiny/archive', folder };
      expect(await registry.refusal('/revisions', { json })).toMatchObject({ status: 400, code: 'archive_refused' });
    }
    expect(await blobs()).toEqual(before);
  });

  test('an archive by the name of a file, a field or a folder', async () => {
    const folder = await registry.adapter('good', { seed: 6 });
    const named = await formOf({ path: 'tiny/archive' }, folder);
    named.set('adapter_model.safetensors', new Blob(['x']), 'adapter.tar.gz');
    const field = await formOf({ path: 'tiny/archive' }, folder);
    field.set('adapter.zip', new Blob(['x']), 'x');
    for (const body of [named, field]) {
      expect(await registry.refusal('/revisions', { method: 'POST', body })).toMatchObject({
        status: 400,
        code: 'archive_refused',
      });
    }
    await writeFile(join(registry.folder, 'adapter.zip'), 'x');
    const json = { path: 'tiny/archive', folder: join(registry.folder, 'adapter.zip') };
    expect(await registry.refusal('/revisions', { json })).toMatchObject({ status: 400, code: 'archive_refused' });
  });

  test('files over their own limits', async () => {
    const folder = await registry.adapter('large', { seed: 6 });
    for (const name of ['README.md', 'adapter_config.json']) {
      await writeFile(join(folder, name), 'x'.repeat(1024 * 1024 + 1));
      const form = await formOf({ path: 'tiny/large' }, folder);
      form.set('README.md', new Blob([await readFile(join(folder, 'README.md'))]), 'README.md');
      for (const options of [{ method: 'POST', body: form }, { json: { path: 'tiny/large', folder } }]) {
        const refusal = await registry.refusal('/revisions', options);
        expect(refusal).toMatchObject({ status: 413, code: 'file_too_large' });
        expect(refusal.message).not.toContain('ESPALIER_MAX_UPLOAD_MB');
      }
      await writeFile(join(folder, name), 'x');
    }
  });

  test('a README.md that is no text', async () => {
    const folder = await registry.adapter('binary', { seed: 6 });
    for (const bytes of [Buffer.from([0xff, 0xfe, 0x41]), Buffer.from('a\0b')]) {
      await writeFile(join(folder, 'README.md'), bytes);
      const refusal = await registry.refusal('/revisions', { json: { path: 'tiny/binary', folder } });
      expect(refusal).toMatchObject({ status: 400, code: 'invalid_file' });
    }
  });

  test('ways out of the folders that may be read', async () => {
    const outside = await registry.adapter('../outside of all', { seed: 7 });
    const links = join(registry.folder, 'links');
    await mkdir(links);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      await symlink(join(outside, name), join(links, name));
    }
    await symlink(outside, join(registry.folder, 'linked'));
    const readme = await registry.adapter('linked readme', { seed: 8 });
    await symlink('/etc/passwd', join(readme, 'README.md'));
    for (const folder of [links, join(registry.folder, 'linked'), `${registry.folder}/../outside of all`, readme]) {
      const refusal = await registry.refusal('/revisions', { json: { path: 'tiny/outside', folder } });
      expect(refusal).toMatchObject({ status: 403, code: 'folder_not_allowed' });
    }
  });

  test('names that lead elsewhere', async () => {
    const form = await formOf({ path: 'tiny/names' }, await registry.adapter('good', { seed: 6 }));
    form.set('../adapter_config.json', new Blob(['{}']), 'adapter_config.json');
    expect(await registry.refusal('/revisions', { method: 'POST', body: form })).toMatchObject({
      status: 400,
      code: 'invalid_request',
    });
    // What a file is called in the form has no say in where it lies.
    const named = await formOf({ path: 'tiny/names' }, await registry.adapter('good', { seed: 6 }));
    named.set('adapter_config.json', named.get('adapter_config.json')!, '../../../etc/adapter_config.json');
    const { status } = await registry.service.call('/api/v1/revisions', { method: 'POST', body: named });
    expect(status).toBe(201);
  });
});

describe('tags of a revision', () => {
  const put = (id: string, tags: unknown, headers: Record<string, string> = {}, as?: string) =>
    registry.service.call<RevisionDto & ErrorBody>(`/api/v1/revisions/${id}/tags`, {
      method: 'PUT',
      json: { tags },
      headers,
      ...(as === undefined ? {} : { key: as }),
    });

  test('change alone, under its version, with an entry in the audit log', async () => {
    const pushed = await registry.push('tiny/tagged', { seed: 10 });
    const set = await put(pushed.id, ['good', 'good', 'best'], { 'if-match': '"1"' });
    expect(set.status).toBe(200);
    expect(set.headers.get('etag')).toBe('"2"');
    expect(set.body).toMatchObject({ tags: ['best', 'good'], version: 2, digest: pushed.digest });
    const late = await put(pushed.id, ['late'], { 'if-match': '"1"' });
    expect(late.status).toBe(412);
    expect(late.body.error).toMatchObject({
      code: 'version_conflict',
      details: { version: 2, current: { id: pushed.id, tags: ['best', 'good'] } },
    });
    expect((await put(pushed.id, ['good', 'best'])).body.version).toBe(2);
    const { data } =
      await registry.get<Page<{ action: string; before: unknown; after: unknown }>>('/audit?action=revision.tag');
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({
      before: { revision: 1, tags: [] },
      after: { revision: 1, tags: ['best', 'good'] },
    });
  });

  test('of several writers one wins', async () => {
    const { id } = await registry.push('tiny/raced', { seed: 11 });
    const answers = await Promise.all(['a', 'b', 'c'].map((tag) => put(id, [tag], { 'if-match': '"1"' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  test('take `write`, and a revision that the key sees', async () => {
    await registry.push('tiny/sub', { seed: 12 });
    const mine = await registry.push('tiny/sub/mine', { seed: 13 });
    const other = await registry.push('tiny/elsewhere', { seed: 14 });
    const bound = await key(['write'], 'tiny/sub/mine');
    const shown = await registry.service.call<RevisionWithCardDto>(`/api/v1/revisions/${mine.id}`, { key: bound });
    expect(shown.body.trainedOn).toEqual({ id: null, number: 1 });
    expect((await put(mine.id, ['x'], {}, bound)).body).toMatchObject({ trainedOn: { id: null }, tags: ['x'] });
    const pushed = await registry.service.call<PushedRevisionDto>('/api/v1/revisions', {
      json: { path: 'tiny/sub/mine', folder: await registry.adapter('bound', { seed: 15 }), trainedOn: 1 },
      key: bound,
    });
    expect(pushed.body).toMatchObject({ trainedOn: { id: null, number: 1 }, author: 'write key' });
    const list = await registry.service.call<Page<RevisionDto>>('/api/v1/nodes/tiny%2Fsub%2Fmine/revisions', {
      key: bound,
    });
    expect(list.body.data.map(({ trainedOn }) => trainedOn)).toEqual([
      { id: null, number: 1 },
      { id: null, number: 1 },
    ]);
    expect((await put(other.id, ['x'], {}, bound)).status).toBe(404);
    expect((await put(mine.id, ['x'], {}, await key(['read']))).status).toBe(403);
    for (const id of [other.id, '01HZZZZZZZZZZZZZZZZZZZZZZZ']) {
      const { status } = await registry.service.call(`/api/v1/revisions/${id}`, { key: bound });
      expect(status).toBe(404);
    }
  });
});
