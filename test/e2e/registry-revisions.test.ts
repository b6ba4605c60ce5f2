/** Pushing adapters: what is kept of them, what is refused, and what is left after either. */
import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SafetensorsFile } from '../../src/formats/safetensors/safetensors-file.js';
import type { TensorToWrite } from '../../src/formats/safetensors/write-safetensors.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { PushedRevisionDto, RevisionDto } from '../../src/registry/dto/revision.dto.js';
import { formOf, TinyRegistry, type ErrorBody, type TinyAdapter } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

let registry: TinyRegistry;
beforeAll(async () => {
  registry = await TinyRegistry.start({ env: { ESPALIER_MAX_UPLOAD_MB: '1' } });
});
afterAll(() => registry.remove());

const revisions = async (path: string) =>
  (await registry.get<Page<RevisionDto>>(`/nodes/${encodeURIComponent(path)}/revisions`)).data;
const resolve = (path: string) => registry.get<ResolutionDto>(`/resolve?path=${encodeURIComponent(path)}`);

/** ‖s·B·A‖_F of a pushed folder's module, by the definition. */
async function denseNorm(folder: string, module: string, scale: number): Promise<number> {
  const file = await SafetensorsFile.open(join(folder, 'adapter_model.safetensors'));
  const a = await file.readFloat32(`base_model.model.${module}.lora_A.weight`);
  const b = await file.readFloat32(`base_model.model.${module}.lora_B.weight`);
  const [rank = 0, inFeatures = 0] = file.tensors.get(`base_model.model.${module}.lora_A.weight`)?.shape ?? [];
  await file.close();
  let sum = 0;
  for (let row = 0; row < b.length; row += rank) {
    for (let column = 0; column < inFeatures; column++) {
      let value = 0;
      for (let r = 0; r < rank; r++) value += b[row + r]! * a[r * inFeatures + column]!;
      sum += (scale * value) ** 2;
    }
  }
  return Math.sqrt(sum);
}

/** SHA-256 of all blobs, and what else lies there. */
async function blobs(): Promise<string[]> {
  const files = await readdir(join(registry.service.dataFolder, 'blobs'), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).map(({ name }) => name);
}

describe('a pushed adapter', () => {
  test('makes its node, is its first revision and its head, and serves at once', async () => {
    const folder = await registry.adapter('first', { rank: 3 });
    const { status, body } = await registry.pushFolder({ path: 'tiny/first', folder, message: 'hello' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      path: 'tiny/first',
      number: 1,
      rank: 3,
      trainedOn: null,
      message: 'hello',
      warnings: [],
      isHead: true,
      unchanged: false,
    });
    const target = body.targets['model.layers.1.mlp.down_proj'];
    expect(target).toMatchObject({ rank: 3, scale: 4 / 3 });
    expect(target?.norm).toBeCloseTo(await denseNorm(folder, 'model.layers.1.mlp.down_proj', 4 / 3), 9);
    const resolved = await resolve('tiny/first');
    expect(resolved.steps).toHaveLength(1);
    expect(resolved.steps[0]).toMatchObject({
      weight: 1,
      reason: 'head',
      revision: { id: body.id, digest: body.digest },
    });
    expect(resolved.totals).toEqual({ adapters: 1, rank: 3, bytes: body.bytes });
    const kept = await blobs();
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      expect(kept).toContain(await sha256(join(folder, name)));
    }
  });

  test('comes by form as well as by folder, its parts in any order', async () => {
    const folder = await registry.adapter('form', { seed: 2 });
    const files = await formOf({}, folder);
    files.set('message', 'last');
    files.set('path', 'tiny/form');
    const { status, body } = await registry.service.call<PushedRevisionDto>('/api/v1/revisions', {
      method: 'POST',
      body: files,
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ path: 'tiny/form', number: 1, message: 'last' });
    const again = await registry.pushForm({ path: 'tiny/form' }, folder);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ id: body.id, unchanged: true, message: 'last' });
    expect(await revisions('tiny/form')).toHaveLength(1);
  });

  test('with another alpha is another revision, though the tensors are the same', async () => {
    const one = await registry.push('tiny/alpha', { seed: 3 });
    const other = await registry.push('tiny/alpha', { seed: 3, config: { lora_alpha: 5 } });
    expect(other).toMatchObject({ number: 2, isHead: false, unchanged: false });
    expect(other.digest).not.toBe(one.digest);
    // Written another way, it is the same one; and the bytes that nobody needs are gone again.
    const before = await blobs();
    const same = await registry.push('tiny/alpha', { seed: 3, config: { inference_mode: true } });
    expect(same).toMatchObject({ id: one.id, unchanged: true });
    expect((await blobs()).toSorted()).toEqual(before.toSorted());
  });

  test("stands on the parent's revision that it names, or on its head with a warning", async () => {
    for (const seed of [4, 5]) await registry.push('tiny/parent', { seed });
    const second = (await revisions('tiny/parent'))[1]!;
    const named = await registry.push('tiny/parent/child', { seed: 6, trainedOn: 2 });
    expect(named).toMatchObject({ trainedOn: { id: second.id, number: 2 }, warnings: [] });
    const left = await registry.push('tiny/parent/child', { seed: 6 });
    expect(left).toMatchObject({ number: 2, digest: named.digest, trainedOn: { number: 1 }, unchanged: false });
    expect(left.warnings.join()).toContain('"tiny/parent", revision 1');
    const byId = await registry.push('tiny/parent/child', { seed: 6, trainedOn: second.id });
    expect(byId).toMatchObject({ id: named.id, unchanged: true });
    expect((await resolve('tiny/parent/child@1')).steps.map(({ revision }) => revision?.number)).toEqual([2, 1]);
    expect((await resolve('tiny/parent/child@2')).steps.map(({ revision }) => revision?.number)).toEqual([1, 2]);
    const offPin = await resolve('tiny/parent:0.5@1/child:0@1');
    expect(offPin.path).toBe('tiny/parent:0.5@1/child:0@1');
    expect(offPin.steps[0]).toMatchObject({ weight: 0.5, reason: 'explicit', offPin: true });
    expect(offPin.totals.adapters).toBe(1);
  });

  test('under a base that it does not name has a warning, which is kept', async () => {
    const pushed = await registry.push('tiny/renamed', { seed: 7, config: { base_model_name_or_path: 'acme/other' } });
    expect(pushed.warnings.join()).toContain('acme/other');
    expect((await revisions('tiny/renamed'))[0]!.warnings).toEqual(pushed.warnings);
  });

  test('has the next number, however many come at once', async () => {
    const seeds = Array.from({ length: 8 }, (_, i) => 40 + i);
    const pushed = await Promise.all(seeds.map((seed) => registry.push('tiny/crowd', { seed })));
    expect(pushed.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(pushed.filter(({ isHead }) => isHead)).toHaveLength(1);
    expect(await registry.get<NodeDto>('/nodes/tiny%2Fcrowd')).toMatchObject({ revisions: 8, head: { number: 1 } });
    const paged: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const at: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = await registry.get<Page<RevisionDto>>(`/nodes/tiny%2Fcrowd/revisions?limit=3${at}`);
      paged.push(...page.data.map(({ number }) => number));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('of the same bytes at once is one revision, and its blobs stay', async () => {
    const folder = await registry.adapter('same', { seed: 50 });
    const pushes = Array.from({ length: 5 }, () => registry.pushForm({ path: 'tiny/same' }, folder));
    const bad = await registry.adapter('same-bad', { seed: 50, config: { use_dora: true } });
    const [refused, ...pushed] = await Promise.all([registry.pushForm({ path: 'tiny/same' }, bad), ...pushes]);
    expect(refused.status).toBe(400);
    expect(pushed.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 200, 201]);
    expect(new Set(pushed.map(({ body }) => body.id)).size).toBe(1);
    expect(await blobs()).toContain(await sha256(join(folder, 'adapter_model.safetensors')));
    expect(await blobs()).not.toContain(await sha256(join(bad, 'adapter_config.json')));
  });
});

describe('a push that is refused leaves everything as it was:', () => {
  beforeAll(async () => {
    await registry.push('tiny/steady', { seed: 60 });
  });

  /** Pushes, by folder and by form, and compares what was there before with what is after. */
  async function refused(path: string, folder: string, fields: Record<string, string> = {}) {
    const state = async () => ({
      blobs: (await blobs()).toSorted(),
      nodes: (await registry.get<Page<NodeDto>>('/nodes?limit=1000')).data,
      steady: await resolve('tiny/steady'),
    });
    const before = await state();
    const byForm = await registry.pushForm<ErrorBody>({ path, ...fields }, folder);
    const byFolder = await registry.service.call<ErrorBody>('/api/v1/revisions', { json: { path, folder, ...fields } });
    expect(byFolder.body).toEqual(byForm.body);
    expect(await state()).toEqual(before);
    return { status: byForm.status, ...byForm.body.error };
  }

  const zeroed = (all: TensorToWrite[]) =>
    all.map((one) => (one.name.includes('lora_B') ? { ...one, data: one.data.map(() => 0) } : one));
  const changed = (value: number) => (all: TensorToWrite[]) => {
    all[0]!.data[1] = value;
    return all;
  };

  test.each<[string, string, TinyAdapter]>([
    ['one that changes nothing', 'adapter_without_effect', { tensors: zeroed }],
    ['not a number', 'invalid_adapter_tensor', { tensors: changed(NaN) }],
    ['infinity', 'invalid_adapter_tensor', { tensors: changed(Infinity) }],
    ['a value out of range', 'invalid_adapter_tensor', { tensors: changed(20_000) }],
    ['a rank that is not in its config', 'invalid_adapter_tensor', { config: { r: 3 } }],
    ['half of it', 'invalid_adapter_tensor', { tensors: (all) => all.slice(1) }],
    [
      'a key of nobody',
      'invalid_adapter_tensor',
      { tensors: (all) => [...all, { name: 'surprise', dtype: 'F32', shape: [1], data: new Float32Array(1) }] },
    ],
    [
      'a layer that the base has not',
      'adapter_base_mismatch',
      { tensors: (all) => all.map((one) => ({ ...one, name: one.name.replace('layers.1', 'layers.9') })) },
    ],
    [
      'a width of another base',
      'adapter_base_mismatch',
      {
        tensors: (all) =>
          all.map((one) =>
            one.name.includes('lora_A') ? { ...one, shape: [2, 4], data: new Float32Array(8).fill(1) } : one,
          ),
      },
    ],
    ['DoRA', 'unsupported_adapter', { config: { use_dora: true } }],
    ['a field that nobody knows', 'unsupported_adapter', { config: { brand_new: 1 } }],
    ['another kind of adapter', 'unsupported_adapter', { config: { peft_type: 'IA3' } }],
  ])('%s', async (name, code, adapter) => {
    const folder = await registry.adapter(`bad ${name}`, { seed: 61, ...adapter });
    const refusal = await refused('tiny/steady/new', folder);
    expect(refusal).toMatchObject({ status: 400, code });
  });

  test.each<[string, string, (folder: string) => Promise<void>]>([
    ['a truncated file', 'invalid_file', (folder) => truncate(join(folder, 'adapter_model.safetensors'), 900)],
    ['an empty file', 'invalid_file', (folder) => truncate(join(folder, 'adapter_model.safetensors'), 0)],
    ['a header that lies', 'invalid_file', (folder) => lie(join(folder, 'adapter_model.safetensors'))],
    ['a config that is no JSON', 'invalid_file', (folder) => writeFile(join(folder, 'adapter_config.json'), '{"r": ')],
    [
      'a config of 500,000 brackets',
      'invalid_file',
      (folder) => writeFile(join(folder, 'adapter_config.json'), '['.repeat(500_000)),
    ],
    [
      'a config that nests 250,000 deep',
      'invalid_file',
      (folder) => writeFile(join(folder, 'adapter_config.json'), `{"r":${'['.repeat(250_000)}${']'.repeat(250_000)}}`),
    ],
  ])('%s', async (name, code, change) => {
    const folder = await registry.adapter(`bad ${name}`, { seed: 62 });
    await change(folder);
    expect(await refused('tiny/steady', folder)).toMatchObject({ status: 400, code });
  });

  test('files over the limit', async () => {
    const folder = await registry.adapter('large weights', { seed: 63 });
    await writeFile(join(folder, 'adapter_model.safetensors'), Buffer.alloc(1024 * 1024 + 1));
    expect(await refused('tiny/steady', folder)).toMatchObject({ status: 413, code: 'blob_too_large' });
  });

  test.each([
    ['tiny/nowhere/deep', 404, 'path_not_found', {}],
    ['tiny', 409, 'root_node', {}],
    ['nothing/at-all', 404, 'path_not_found', {}],
    ['tiny/steady:0.5', 400, 'invalid_path', {}],
    ['tiny/steady@1', 400, 'invalid_path', {}],
    ['tiny/steady/x', 400, 'invalid_trained_on', { trainedOn: '7' }],
    ['tiny/steady', 400, 'invalid_trained_on', { trainedOn: '1' }],
    ['tiny/steady/x', 400, 'invalid_request', { colour: 'red' }],
    ['', 400, 'invalid_request', {}],
  ])('to "%s" (%i %s)', async (path, status, code, fields) => {
    const folder = await registry.adapter('good', { seed: 64 });
    expect(await refused(path, folder, fields)).toMatchObject({ status, code });
  });

  test('a form without a file, with one too many, or with one twice', async () => {
    const folder = await registry.adapter('good', { seed: 64 });
    const before = await blobs();
    const send = (body: FormData) => registry.refusal('/revisions', { method: 'POST', body });
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      const form = await formOf({ path: 'tiny/steady' }, folder);
      form.delete(name);
      const refusal = await send(form);
      expect(refusal).toMatchObject({ status: 400, code: 'missing_file' });
      expect(refusal.message).toContain(name);
    }
    const more = await formOf({ path: 'tiny/steady' }, folder);
    more.set('optimizer.pt', new Blob(['x']), 'optimizer.pt');
    expect(await send(more)).toMatchObject({ status: 400, code: 'invalid_request' });
    const twice = await formOf({ path: 'tiny/steady' }, folder);
    twice.append('adapter_config.json', new Blob(['{}']), 'adapter_config.json');
    expect(await send(twice)).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await blobs()).toSorted()).toEqual(before.toSorted());
  });

  test('a folder that may not be read, or that is not there', async () => {
    const push = (folder: string) => registry.refusal('/revisions', { json: { path: 'tiny/steady', folder } });
    expect(await push('/etc')).toMatchObject({ status: 403, code: 'folder_not_allowed' });
    expect(await push(join(registry.folder, 'none'))).toMatchObject({ status: 404, code: 'folder_not_found' });
    await mkdir(join(registry.folder, 'half'));
    const whole = await registry.adapter('good', { seed: 64 });
    await copyFile(join(whole, 'adapter_config.json'), join(registry.folder, 'half/adapter_config.json'));
    const before = await blobs();
    expect(await push(join(registry.folder, 'half'))).toMatchObject({ status: 400, code: 'missing_file' });
    expect((await blobs()).toSorted()).toEqual(before.toSorted());
  });

  test('a client that goes away in the middle of its upload', async () => {
    const before = await blobs();
    const url = new URL(registry.service.url);
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    socket.write(
      [
        'POST /api/v1/revisions HTTP/1.1',
        `Host: ${url.host}`,
        `Authorization: Bearer ${registry.service.keys.admin}`,
        'Content-Type: multipart/form-data; boundary=cut',
        'Content-Length: 900000',
        '',
        '--cut',
        'Content-Disposition: form-data; name="adapter_config.json"; filename="adapter_config.json"',
        '',
        '{}',
        '--cut',
        'Content-Disposition: form-data; name="adapter_model.safetensors"; filename="adapter_model.safetensors"',
        '',
        'x'.repeat(100_000),
      ].join('\r\n'),
    );
    // The first file is in the store by the time that the second is being written.
    while ((await blobs()).length < before.length + 2) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    while ((await blobs()).length > before.length) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await blobs()).toSorted()).toEqual(before.toSorted());
  });

  test('a key that may not write', async () => {
    const json = { path: 'tiny/steady', folder: registry.folder };
    expect(await registry.refusal('/revisions', { json, key: registry.service.keys.infer })).toMatchObject({
      status: 403,
    });
  });
});

describe('a path that says what cannot be', () => {
  test.each([
    ['tiny/first:abc', 400, 'invalid_path'],
    ['tiny/first:1e3', 400, 'invalid_path'],
    ['tiny/first:NaN', 400, 'invalid_path'],
    ['tiny/first:0.0001', 400, 'invalid_path'],
    ['tiny/first:5', 400, 'invalid_path'],
    ['tiny:0.5/first', 400, 'invalid_path'],
    ['tiny/first@9', 404, 'revision_not_found'],
    ['tiny/frist', 404, 'path_not_found'],
  ])('%s', async (path, status, code) => {
    const refusal = await registry.refusal(`/resolve?path=${encodeURIComponent(path)}`);
    expect(refusal).toMatchObject({ status, code });
    if (path === 'tiny/frist') expect(refusal.message).toContain('tiny/first');
  });
});

async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** Says that the header is longer than the file. */
async function lie(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 0, 8, 0);
  await handle.close();
}
