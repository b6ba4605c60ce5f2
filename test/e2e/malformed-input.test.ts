/** What neither the database nor the file system takes is refused as a mistake of the caller, not met as a failure of ours. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RevisionDto } from '../../src/registry/dto/revision.dto.js';
import { TinyRegistry } from './support/tiny-registry.js';

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start();
  await registry.push('tiny/a');
}, 60_000);
afterAll(() => registry.remove(), 30_000);

const encoded = (key: string): string => Buffer.from(key).toString('base64url');

test.each([
  ['a model', '/models/%00', 404, 'model_not_imported'],
  ['a path digest', '/paths/%00', 404, 'path_digest_not_found'],
  ['a cursor of models', `/models?cursor=${encoded('\0')}`, 400, 'invalid_request'],
  ['a cursor of nodes', `/nodes?cursor=${encoded('tiny/\0')}`, 400, 'invalid_request'],
  ['a cursor of revisions', `/nodes/tiny%2Fa/revisions?cursor=${encoded('one')}`, 400, 'invalid_request'],
  ['a number past all', `/nodes/tiny%2Fa/revisions?cursor=${encoded('99999999999')}`, 400, 'invalid_request'],
])('%s that can be none', async (_, path, status, code) => {
  expect(await registry.refusal(path)).toMatchObject({ status, code });
});

test('a page of models after one that can be none', async () => {
  expect((await registry.service.call('/v1/models?after=tiny/%00')).status).toBe(400);
});

test('folders whose names no file system takes', async () => {
  const refusal = (folder: string) => registry.refusal('/models', { json: { name: 'other', folder } });
  expect(await refusal(join(registry.folder, 'a\0b'))).toMatchObject({ status: 400, code: 'invalid_request' });
  expect(await refusal(join(registry.folder, 'a'.repeat(300)))).toMatchObject({ code: 'folder_not_found' });
  await symlink('round', join(registry.folder, 'round'));
  expect(await refusal(join(registry.folder, 'round'))).toMatchObject({ code: 'folder_not_found' });
  await mkdir(join(registry.folder, 'knot'));
  await symlink('config.json', join(registry.folder, 'knot', 'config.json'));
  expect(await refusal(join(registry.folder, 'knot'))).toMatchObject({ status: 400, code: 'missing_file' });
});

test('nothing is said of a file to which a link leads out of what may be read', async () => {
  const folder = join(registry.folder, 'window');
  await mkdir(folder);
  await symlink(import.meta.filename, join(folder, 'config.json'));
  const refusal = await registry.refusal('/models', { json: { name: 'other', folder } });
  expect(refusal).toMatchObject({ status: 403, code: 'folder_not_allowed' });
});

test('a message with a NUL is refused; in a name from a file it is replaced', async () => {
  const folder = await registry.adapter('nul', { seed: 7, config: { base_model_name_or_path: 'a\0b' } });
  const push = { path: 'tiny/b', folder };
  const refused = await registry.refusal('/revisions', { json: { ...push, message: 'a\0b' } });
  expect(refused).toMatchObject({ status: 400, code: 'invalid_request' });
  const pushed = await registry.post<RevisionDto>('/revisions', push, 201);
  expect(pushed.warnings.join()).toContain('a\ufffdb');
});
