/** Base models that are quantised when they are imported, beside the same checkpoint as it is. */
import { jest } from '@jest/globals';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packedName, QUANTIZED_FILE } from '../../src/formats/quantization/quantized-file.js';
import { SafetensorsFile } from '../../src/formats/safetensors/safetensors-file.js';
import type { ImportedModelDto, ImportLine, ModelDto } from '../../src/registry/dto/model.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import { Cli } from './support/cli.js';
import { BASE, copyBase, created, startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Each command is a process of its own, and machines that run tests are slow.
jest.setTimeout(300_000);

let tree: SmallTree;
let cli: Cli;
let plain: ModelDto;
let int4: ModelDto;
let int8: ModelDto;
beforeAll(async () => {
  tree = await startWithSmallTree();
  cli = new Cli(tree);
  plain = await model('story');
  int4 = (await created(tree.service, '/api/v1/models', {
    name: 'story4',
    folder: BASE,
    quantize: 'int4',
  })) as unknown as ModelDto;
  int8 = await cli.json<ModelDto>('models', 'import', BASE, '--name', 'story8', '--quantize', 'int8_asymmetric');
  await created(tree.service, '/api/v1/revisions', { path: 'story4/french', folder: join(tree.folder, '0') });
}, 200_000);
afterAll(() => tree.service.remove());

async function model(name: string): Promise<ModelDto> {
  return (await tree.service.call<ModelDto>(`/api/v1/models/${name}`)).body;
}

interface Score {
  model: string;
  perplexity: number;
  path_digest: string;
}
async function scores(...models: string[]): Promise<Score[]> {
  const text = 'It was a dark and stormy night; the rain fell in torrents, except at occasional intervals.';
  const { status, body } = await tree.service.call<{ data: Score[] }>('/v1/score', { json: { models, text } });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body.data;
}

test('a quantised model says so over REST, GraphQL and the command line, and has a digest of its own', async () => {
  expect(plain.quantization).toBeNull();
  expect(int4.quantization).toBe('int4_symmetric');
  expect(int8.quantization).toBe('int8_asymmetric');
  expect(new Set([plain.digest, int4.digest, int8.digest]).size).toBe(3);
  const { body } = await tree.service.call<Page<ModelDto>>('/api/v1/models');
  expect(body.data.map(({ name, quantization }) => [name, quantization])).toEqual([
    ['story', null],
    ['story4', 'int4_symmetric'],
    ['story8', 'int8_asymmetric'],
  ]);
  const query = '{ models { nodes { name quantization memoryBytes } } }';
  const graphql = await tree.service.call<{ data: { models: { nodes: object[] } } }>('/graphql', { json: { query } });
  expect(graphql.body.data.models.nodes).toContainEqual({
    name: 'story4',
    quantization: 'int4_symmetric',
    memoryBytes: int4.memoryBytes,
  });
  expect(await cli.print('models', 'list')).toMatch(/story4 .*int4_symmetric/);
  expect(await cli.print('models', 'get', 'story8')).toMatch(/int8_asymmetric/);
});

test('takes the less memory the fewer bits it has, and keeps the weights that it was made from', async () => {
  expect(int8.memoryBytes).toBeLessThan(plain.memoryBytes * 0.6);
  expect(int4.memoryBytes).toBeLessThan(int8.memoryBytes);
  const folder = join(tree.service.dataFolder, 'models', int4.digest);
  expect(await readdir(folder)).toEqual(expect.arrayContaining([QUANTIZED_FILE, 'model.safetensors', 'files.json']));
  const sizes = await Promise.all(
    (await readdir(folder))
      .filter((name) => name !== 'files.json')
      .map(async (name) => (await stat(join(folder, name))).size),
  );
  expect(int4.bytes).toBe(sizes.reduce((sum, size) => sum + size));
  const stamps = JSON.parse(await readFile(join(folder, 'files.json'), 'utf8')) as { files: { name: string }[] };
  expect(stamps.files.map(({ name }) => name)).toContain(QUANTIZED_FILE);
});

test('predicts about as the checkpoint does, with adapters on top', async () => {
  const [base, four, eight, french, french4] = await scores(
    'story',
    'story4',
    'story8',
    'story/french',
    'story4/french',
  );
  expect(eight!.perplexity / base!.perplexity).toBeCloseTo(1, 2);
  expect(four!.perplexity / base!.perplexity).toBeCloseTo(1, 1);
  expect(four!.perplexity).not.toBeCloseTo(base!.perplexity, 3);
  expect(french4!.perplexity / french!.perplexity).toBeCloseTo(1, 0);
  expect(Math.abs(french4!.perplexity / four!.perplexity - 1)).toBeGreaterThan(0.1);
  expect(new Set([base, four, eight, french, french4].map((score) => score!.path_digest)).size).toBe(5);
});

test('completes', async () => {
  const { status, body } = await tree.service.call<{ choices: { text: string }[] }>('/v1/completions', {
    json: { model: 'story4/french', prompt: 'Once upon a time', max_tokens: 8, temperature: 0 },
  });
  expect(status).toBe(200);
  expect(body.choices[0]!.text.length).toBeGreaterThan(0);
});

test('again under its name changes nothing; in another form the name is taken', async () => {
  const again = { name: 'story4', folder: BASE, quantize: 'int4_symmetric' };
  const { status, body } = await tree.service.call<ImportedModelDto>('/api/v1/models', { json: again });
  expect({ status, unchanged: body.unchanged }).toEqual({ status: 200, unchanged: true });
  for (const quantize of ['int4_asymmetric', undefined]) {
    const refused = await tree.service.call<{ error: { code: string } }>('/api/v1/models', {
      json: { name: 'story4', folder: BASE, quantize },
    });
    expect({ status: refused.status, code: refused.body.error.code }).toEqual({ status: 409, code: 'model_exists' });
  }
  const other = (await created(tree.service, '/api/v1/models', { ...again, name: 'other4' })) as unknown as ModelDto;
  expect({ digest: other.digest, bytes: other.bytes }).toEqual({ digest: int4.digest, bytes: int4.bytes });
});

test('an import that is watched counts what is quantised', async () => {
  const response = await fetch(`${tree.service.url}/api/v1/models`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tree.service.keys.admin}`,
      'content-type': 'application/json',
      accept: 'application/jsonl',
    },
    body: JSON.stringify({ name: 'watched', folder: BASE, quantize: 'int8' }),
  });
  const lines = (await response.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ImportLine);
  expect(lines.at(-1)).toMatchObject({ model: { name: 'watched', quantization: 'int8_symmetric' } });
  for (const line of lines) {
    if ('progress' in line) expect(line.progress.bytes).toBeLessThanOrEqual(line.progress.totalBytes);
  }
});

test('a form that there is not, and weights that are not finite, are refused', async () => {
  const unknown = await tree.service.call<{ error: { code: string; param: string } }>('/api/v1/models', {
    json: { name: 'story3', folder: BASE, quantize: 'int3' },
  });
  expect(unknown.body.error).toMatchObject({ code: 'invalid_request', param: 'quantize' });
  expect((await cli.run(['models', 'import', BASE, '--quantize', 'int3'])).code).not.toBe(0);

  const folder = await copyBase(join(tree.folder, 'broken'), {});
  const name = 'model.layers.0.mlp.up_proj.weight';
  const file = await SafetensorsFile.open(join(folder, 'model.safetensors'));
  const { begin } = file.tensors.get(name)!;
  await file.close();
  const bytes = await readFile(join(folder, 'model.safetensors'));
  bytes.writeUInt16LE(0x7c00, begin); // An F16 infinity.
  await writeFile(join(folder, 'model.safetensors'), bytes);
  const refused = await tree.service.call<{ error: { code: string; message: string } }>('/api/v1/models', {
    json: { name: 'broken', folder, quantize: 'int4' },
  });
  expect(refused).toMatchObject({ status: 400, body: { error: { code: 'unsupported_quantization' } } });
  expect(refused.body.error.message).toContain('up_proj');
  expect(await readdir(join(tree.service.dataFolder, 'models'))).not.toContainEqual(expect.stringMatching(/\.tmp/));
});

test('a file of quantised weights that was changed is not served', async () => {
  const folder = join(tree.service.dataFolder, 'models', int8.digest);
  const file = await SafetensorsFile.open(join(folder, QUANTIZED_FILE));
  const { begin } = file.tensors.get(packedName('lm_head'))!;
  await file.close();
  const bytes = await readFile(join(folder, QUANTIZED_FILE));
  bytes.writeUInt8(bytes.readUInt8(begin) ^ 1, begin);
  await writeFile(join(folder, QUANTIZED_FILE), bytes);
  await tree.service.stop();
  await tree.service.launch();
  const { status, body } = await tree.service.call<{ error: { code: string } }>('/v1/completions', {
    json: { model: 'story8', prompt: 'Once', max_tokens: 1 },
  });
  expect({ status, code: body.error.code }).toEqual({ status: 500, code: 'model_load_failed' });
});
