/** Two nodes or revisions side by side, and the norms that a push records. */
import { jest } from '@jest/globals';
import { join } from 'node:path';
import { parseModelConfig } from '../../src/formats/checkpoint/parse-model-config.js';
import { readAdapter } from '../../src/formats/peft/read-adapter.js';
import { denseDelta } from '../../src/lowrank/dense-delta.js';
import type { ComparisonDto } from '../../src/registry/compare/comparison.dto.js';
import type { PushedRevisionDto } from '../../src/registry/dto/revision.dto.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { TINY } from '../unit/formats/support/tiny-model.js';
import { TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

const base = { config: parseModelConfig(TINY), origins: ['tiny'] };
const DOWN = 'model.layers.0.mlp.down_proj';

let registry: TinyRegistry;
let first: PushedRevisionDto;
let second: PushedRevisionDto;
beforeAll(async () => {
  registry = await TinyRegistry.start();
  first = await registry.push('tiny/one', { seed: 1, rank: 3 });
  second = await registry.push('tiny/one', { seed: 2, rank: 2 });
  await registry.push('tiny/one', {
    seed: 3,
    config: { target_modules: ['q_proj'] },
    tensors: (tensors) => tensors.filter(({ name }) => name.includes('q_proj')),
  });
  await registry.push('tiny/one/two', { seed: 4, trainedOn: 2 });
  await registry.post('/nodes', { path: 'tiny/empty' }, 201);
});
afterAll(() => registry.remove());

const query = (left: string, right: string) =>
  `/compare?left=${encodeURIComponent(left)}&right=${encodeURIComponent(right)}`;
const compare = (left: string, right: string) => registry.get<ComparisonDto>(query(left, right));

/** module → s·B·A of a pushed folder, dense. */
async function dense(name: string): Promise<Map<string, Float32Array>> {
  const files = {
    configFile: join(registry.folder, name, 'adapter_config.json'),
    weightsFile: join(registry.folder, name, 'adapter_model.safetensors'),
  };
  const { deltas } = await readAdapter(files, base);
  return new Map([...deltas].map(([module, delta]) => [module, denseDelta(delta)]));
}

const product = (one: Float32Array, other: Float32Array) =>
  one.reduce((sum, value, i) => sum + value * (other[i] ?? 0), 0);
const norm = (values: Float32Array) => Math.sqrt(product(values, values));

test('revisions of one node, module by module and in sum, as the dense matrices have it', async () => {
  const comparison = await compare('tiny/one', 'tiny/one@2');
  const [left, right] = [await dense('tiny-one-1'), await dense('tiny-one-2')];
  expect(comparison.modules.map(({ module }) => module)).toEqual([...left.keys()]);
  for (const { module, ...found } of comparison.modules) {
    const [one, other] = [left.get(module)!, right.get(module)!];
    expect(found.left).toEqual(first.targets[module]);
    expect(found.right).toEqual(second.targets[module]);
    expect(found.left?.norm).toBeCloseTo(norm(one), 4);
    const difference = one.map((value, i) => value - other[i]!);
    expect(found.relativeDifference).toBeCloseTo(norm(difference) / norm(one), 4);
    expect(found.cosine).toBeCloseTo(product(one, other) / (norm(one) * norm(other)), 4);
  }
  const all = (deltas: Map<string, Float32Array>) => Float32Array.from([...deltas.values()].flatMap((one) => [...one]));
  const [one, other] = [all(left), all(right)];
  const { total } = comparison;
  expect(total.leftNorm).toBeCloseTo(norm(one), 4);
  expect(total.rightNorm).toBeCloseTo(norm(other), 4);
  expect(total.relativeDifference).toBeCloseTo(norm(one.map((value, i) => value - other[i]!)) / norm(one), 4);
  expect(total.cosine).toBeCloseTo(product(one, other) / (norm(one) * norm(other)), 4);
  expect(comparison).toMatchObject({ unmeasured: null, metrics: [] });
});

test('a revision with itself', async () => {
  const { modules, total } = await compare('tiny/one@1', `${first.nodeId}@${first.id}`);
  for (const module of modules) expect(module).toMatchObject({ relativeDifference: 0, cosine: 1 });
  expect(total.relativeDifference).toBe(0);
  expect(total.cosine).toBeCloseTo(1, 12);
});

test('revisions of other modules: what one leaves alone is zero there', async () => {
  const { modules, total } = await compare('tiny/one@2', 'tiny/one@3');
  const alone = modules.find(({ module }) => module === DOWN);
  expect(alone).toMatchObject({ right: null, relativeDifference: null, cosine: null });
  expect(alone?.left).toEqual(second.targets[DOWN]);
  const [left, right] = [await dense('tiny-one-2'), await dense('tiny-one-3')];
  let squares = 0;
  for (const [module, values] of left) {
    const other = right.get(module);
    squares += norm(values.map((value, i) => value - (other?.[i] ?? 0))) ** 2;
  }
  const leftNorm = Math.sqrt([...left.values()].reduce((sum, values) => sum + norm(values) ** 2, 0));
  expect(total.relativeDifference).toBeCloseTo(Math.sqrt(squares) / leftNorm, 4);
});

test('where each side comes from', async () => {
  const { left, right } = await compare('tiny/one/two', 'tiny/one@2');
  expect(left).toMatchObject({ node: { path: 'tiny/one/two' }, model: 'tiny', tags: [], aliases: [] });
  expect(left.revision).toMatchObject({ number: 1, isHead: true, recalled: false });
  expect(left.lineage).toMatchObject([
    { path: 'tiny/one', number: 2, id: second.id, digest: second.digest },
    { path: 'tiny/one/two', number: 1 },
  ]);
  expect(right.revision).toMatchObject({ id: second.id, number: 2, rank: 2, isHead: false });
  expect(right.lineage).toHaveLength(1);
});

test('how they do, and what they are called', async () => {
  const folder = await registry.adapter('measured', { seed: 5 });
  const metrics = { loss: 1.25, bleu: 30 };
  await registry.pushFolder({ path: 'tiny/measured', folder, metrics, tags: ['b', 'a'], author: 'ada' });
  const other = await registry.adapter('measured-better', { seed: 6 });
  await registry.pushFolder({ path: 'tiny/measured', folder: other, metrics: { loss: 1.125, chrf: 0.5 } });
  const put = { method: 'PUT', json: { revision: 1 } };
  expect((await registry.service.call('/api/v1/nodes/tiny%2Fmeasured/aliases/baseline', put)).status).toBeLessThan(300);
  const comparison = await compare('tiny/measured@baseline', 'tiny/measured@2');
  expect(comparison.metrics).toEqual([
    { name: 'bleu', left: 30, right: null },
    { name: 'chrf', left: null, right: 0.5 },
    { name: 'loss', left: 1.25, right: 1.125 },
  ]);
  expect(comparison.left).toMatchObject({ tags: ['a', 'b'], aliases: ['baseline'], revision: { author: 'ada' } });
  expect(comparison.right).toMatchObject({ tags: [], aliases: [], revision: { number: 2, isHead: false } });
});

test('a node without a revision has nothing to compare', async () => {
  const { left, modules, total, unmeasured } = await compare('tiny/empty', 'tiny/one');
  expect(left).toMatchObject({ revision: null, lineage: [] });
  expect(unmeasured).toBe('no_revision');
  expect(modules[0]).toMatchObject({ left: null, relativeDifference: null });
  expect(modules[0]?.right?.norm).toBeGreaterThan(0);
  expect(total).toMatchObject({ leftNorm: 0, relativeDifference: null, cosine: null });
});

test('what is not there, or not to be seen, is said', async () => {
  const refused = async (left: string, right: string, key?: string) =>
    (await registry.refusal(query(left, right), { key })).code;
  expect(await refused('tiny/one', 'tiny/two')).toBe('path_not_found');
  expect(await refused('tiny/one@7', 'tiny/one')).toBe('revision_not_found');
  expect(await refused('tiny/one@candidate', 'tiny/one')).toBe('revision_not_found');
  expect(await refused('tiny/one:0.5', 'tiny/one')).toBe('invalid_path');
  expect(await refused('tiny/one', 'tiny/one', registry.service.keys.infer)).toBe('missing_scope');
  expect((await registry.refusal('/compare?left=tiny/one')).status).toBe(400);

  const { key } = await registry.post<NewKeyDto>(
    '/keys',
    { name: 'bound', scopes: ['read'], subtree: 'tiny/one/two' },
    201,
  );
  expect(await refused('tiny/one/two', 'tiny/one', key)).toBe('path_not_found');
  const own = await registry.call<ComparisonDto>(query('tiny/one/two', 'tiny/one/two@1'), 200, { key });
  expect(own.left.lineage[0]).toEqual({ path: 'tiny/one', number: 2, id: null, digest: null, recalled: false });
  expect(own.left.lineage[1]?.id).toBe(own.left.revision?.id);
});
