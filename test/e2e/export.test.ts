/** Adapters leave the service: a path as one adapter, and a revision's files as they were pushed. */
import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { PushedRevisionDto } from '../../src/registry/dto/revision.dto.js';
import { parseModelConfig } from '../../src/formats/checkpoint/parse-model-config.js';
import { readAdapter } from '../../src/formats/peft/read-adapter.js';
import { denseDelta } from '../../src/lowrank/dense-delta.js';
import { TINY } from '../unit/formats/support/tiny-model.js';
import { TinyRegistry, type ErrorBody } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

const FILES = ['adapter_config.json', 'adapter_model.safetensors'] as const;
const base = { config: parseModelConfig(TINY), origins: ['tiny'] };

let registry: TinyRegistry;
let one: PushedRevisionDto;
beforeAll(async () => {
  registry = await TinyRegistry.start();
  one = await registry.push('tiny/one', { seed: 1, rank: 3 });
  await registry.push('tiny/one/two', {
    seed: 2,
    rank: 2,
    trainedOn: 1,
    config: { target_modules: ['q_proj'] },
    tensors: onlyQ,
  });
  await registry.post('/nodes', { path: 'tiny/empty' }, 201);
  await registry.push('tiny/empty/below', { seed: 3 });
});
afterAll(() => registry.remove());

function onlyQ<T extends { name: string }>(tensors: T[]): T[] {
  return tensors.filter(({ name }) => name.includes('q_proj'));
}

const url = (file: string, path: string) => `/api/v1/export/${file}?path=${encodeURIComponent(path)}`;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function download(path: string, to: string): Promise<{ configFile: string; weightsFile: string }> {
  const folder = join(registry.folder, to);
  await mkdir(folder, { recursive: true });
  for (const file of FILES) {
    const answer = await registry.service.fetch(url(file, path));
    expect(answer.status).toBe(200);
    await writeFile(join(folder, file), new Uint8Array(await answer.arrayBuffer()));
  }
  return { configFile: join(folder, FILES[0]), weightsFile: join(folder, FILES[1]) };
}

/** module → w·s·B·A, dense. */
async function denseOf(
  files: { configFile: string; weightsFile: string },
  weight: number,
): Promise<Map<string, number[]>> {
  const { deltas } = await readAdapter(files, base);
  return new Map([...deltas].map(([module, delta]) => [module, [...denseDelta(delta, weight)]]));
}

const pushed = (name: string) => ({
  configFile: join(registry.folder, name, FILES[0]),
  weightsFile: join(registry.folder, name, FILES[1]),
});

describe('an exported path', () => {
  test('is the sum of its adapters, in one that can be pushed again', async () => {
    const exported = await download('tiny/one:0.5/two:-2', 'exported');
    const found = await denseOf(exported, 1);
    const [first, second] = [await denseOf(pushed('tiny-one-1'), 0.5), await denseOf(pushed('tiny-one-two-2'), -2)];
    expect([...found.keys()].sort()).toEqual([...first.keys()].sort());
    for (const [module, values] of found) {
      values.forEach((value, i) => {
        const expected = first.get(module)![i]! + (second.get(module)?.[i] ?? 0);
        expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-5);
      });
    }
    const { status, body } = await registry.pushFolder({
      path: 'tiny/again',
      folder: join(registry.folder, 'exported'),
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ rank: 5, warnings: [] });
    expect(body.targets['model.layers.0.self_attn.q_proj']).toMatchObject({ rank: 5, scale: 1 });
    expect(body.targets['model.layers.0.mlp.down_proj']).toMatchObject({ rank: 3, scale: 1 });
  });

  test('says what it is, and gives the same bytes every time', async () => {
    const path = 'tiny/one/two';
    const { digest } = await registry.get<ResolutionDto>(`/resolve?path=${path}`);
    const [first, second] = [
      await registry.service.fetch(url(FILES[1], path)),
      await registry.service.fetch(url(FILES[1], path)),
    ];
    expect(first.headers.get('x-espalier-path-digest')).toBe(digest);
    expect(first.headers.get('etag')).toBe(`"${digest}"`);
    expect(first.headers.get('content-disposition')).toBe('attachment; filename="adapter_model.safetensors"');
    const bytes = new Uint8Array(await first.arrayBuffer());
    expect(first.headers.get('content-length')).toBe(String(bytes.length));
    expect(sha256(new Uint8Array(await second.arrayBuffer()))).toBe(sha256(bytes));

    const config = await registry.service.call(url(FILES[0], path));
    expect(config.headers.get('x-espalier-path-digest')).toBe(digest);
    expect(config.body).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: 'tiny',
      inference_mode: true,
      r: 5,
      lora_alpha: 5,
    });
    const head = await registry.service.fetch(url(FILES[1], path), { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String(bytes.length));
    for (const [file, etag] of [
      [FILES[1], `"${digest}"`],
      [FILES[0], config.headers.get('etag') ?? ''],
    ] as const) {
      const same = await registry.service.fetch(url(file, path), { headers: { 'if-none-match': etag } });
      expect(same.status).toBe(304);
      expect(await same.text()).toBe('');
    }
  });

  test('leaves out what adds nothing, and is refused where nothing is left', async () => {
    const alone = await registry.service.call(url(FILES[0], 'tiny/empty/below'));
    expect(alone.body).toMatchObject({ r: 2 });
    const without = await registry.service.call(url(FILES[0], 'tiny/one:0/two'));
    expect(without.body).toMatchObject({
      r: 2,
      target_modules: expect.not.arrayContaining(['model.layers.0.mlp.down_proj']) as unknown,
    });
    for (const path of ['tiny', 'tiny/empty', 'tiny/one:0']) {
      for (const file of FILES) {
        const { status, body } = await registry.service.call<ErrorBody>(url(file, path));
        expect([status, body.error.code]).toEqual([400, 'nothing_to_export']);
      }
    }
  });

  test('needs scope read, a path, and a node that is there', async () => {
    const { infer } = registry.service.keys;
    const refused = await registry.service.call<ErrorBody>(url(FILES[1], 'tiny/one'), { key: infer });
    expect([refused.status, refused.body.error.code]).toEqual([403, 'missing_scope']);
    expect((await registry.service.call(`/api/v1/export/${FILES[1]}`)).status).toBe(400);
    const missing = await registry.service.call<ErrorBody>(url(FILES[1], 'tiny/non'));
    expect([missing.status, missing.body.error.code]).toEqual([404, 'path_not_found']);
  });

  test('holds what the key may read alone', async () => {
    const keyTo = async (subtree: string) =>
      (await registry.post<NewKeyDto>('/keys', { name: subtree, scopes: ['read'], subtree }, 201)).key;
    const code = async (path: string, key: string) =>
      (await registry.service.call<ErrorBody>(url(FILES[1], path), { key })).body.error.code;
    const deep = await keyTo('tiny/one/two');
    const { status, body } = await registry.service.call<ErrorBody>(url(FILES[0], 'tiny/one/two'), { key: deep });
    expect([status, body.error.code]).toEqual([403, 'export_forbidden']);
    expect(body.error.details).toEqual({ path: 'tiny/one/two', subtree: 'tiny/one/two' });
    expect(await code('tiny/one/two', deep)).toBe('export_forbidden');
    expect(await code('tiny/one', deep)).toBe('path_not_found');
    const files = `/api/v1/revisions/${one.id}/files/${FILES[0]}`;
    expect((await registry.service.call(files, { key: deep })).status).toBe(404);

    const whole = await keyTo('tiny/one');
    expect((await registry.service.fetch(url(FILES[1], 'tiny/one/two'), { key: whole })).status).toBe(200);
    expect((await registry.service.call(files, { key: whole })).status).toBe(200);
    // What lies above adds nothing.
    const below = await keyTo('tiny/empty/below');
    expect((await registry.service.fetch(url(FILES[1], 'tiny/empty/below'), { key: below })).status).toBe(200);
  });

  test('that a reader leaves in the middle gives its place back', async () => {
    // More than there are places.
    for (let i = 0; i < 20; i++) {
      const answer = await registry.service.fetch(url(FILES[1], 'tiny/one/two'));
      expect(answer.status).toBe(200);
      await answer.body?.cancel();
    }
    const heads = Array.from({ length: 12 }, () =>
      registry.service.fetch(url(FILES[1], 'tiny/one/two'), { method: 'HEAD' }),
    );
    for (const head of await Promise.all(heads)) expect(head.status).toBe(200);
    expect((await registry.service.fetch(url(FILES[1], 'tiny/one/two'))).status).toBe(200);
  });
});

describe("a revision's files", () => {
  const file = (name: string, id = one.id) => `/api/v1/revisions/${id}/files/${name}`;

  test.each(FILES)('%s comes byte for byte', async (name) => {
    const bytes = await readFile(join(registry.folder, 'tiny-one-1', name));
    const answer = await registry.service.fetch(file(name));
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect(answer.headers.get('etag')).toBe(`"${sha256(bytes)}"`);
    expect(answer.headers.get('content-length')).toBe(String(bytes.length));
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${name}"`);
    const head = await registry.service.fetch(file(name), { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(bytes.length));
    const same = await registry.service.fetch(file(name), { headers: { 'if-none-match': `"${sha256(bytes)}"` } });
    expect(same.status).toBe(304);
  });

  test('comes in parts', async () => {
    const bytes = await readFile(join(registry.folder, 'tiny-one-1', FILES[1]));
    const part = (range: string, headers = {}) =>
      registry.service.fetch(file(FILES[1]), { headers: { range, ...headers } });
    for (const [range, first, end] of [
      ['bytes=0-7', 0, 8],
      ['bytes=10-', 10, bytes.length],
      ['bytes=-5', bytes.length - 5, bytes.length],
      ['bytes=4-999999', 4, bytes.length],
    ] as const) {
      const answer = await part(range);
      expect(answer.status).toBe(206);
      expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${end - 1}/${bytes.length}`);
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(first, end))).toBe(true);
    }
    const past = await part(`bytes=${bytes.length}-`);
    expect(past.status).toBe(416);
    expect(past.headers.get('content-range')).toBe(`bytes */${bytes.length}`);
    expect(((await past.json()) as ErrorBody).error.code).toBe('range_not_satisfiable');
    // Of another file than the one that was begun with, or in a form that isn't known: the whole.
    for (const answer of [
      await part('bytes=0-7', { 'if-range': '"other"' }),
      await part('lines=1-2'),
      await part('bytes=7-0'),
    ]) {
      expect(answer.status).toBe(200);
      expect((await answer.arrayBuffer()).byteLength).toBe(bytes.length);
    }
  });

  test('are two, of a revision that is there, for those who may read', async () => {
    expect((await registry.service.call(file('README.md'))).status).toBe(400);
    const unknown = await registry.service.call<ErrorBody>(file(FILES[0], '01JNOSUCHREVISION000000000'));
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'revision_not_found']);
    expect((await registry.service.call(file(FILES[0]), { key: registry.service.keys.infer })).status).toBe(403);
    expect((await registry.service.call(file(FILES[0]), { key: null })).status).toBe(401);
  });
});
