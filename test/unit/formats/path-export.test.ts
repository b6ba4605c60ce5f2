import { beforeEach, describe, expect, it, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { parseModelConfig } from '../../../src/formats/checkpoint/parse-model-config.js';
import { linearModules } from '../../../src/formats/checkpoint/modules.js';
import { parseAdapterConfig } from '../../../src/formats/peft/adapter-config.js';
import type { Adapter } from '../../../src/formats/peft/adapter.js';
import { exportConfig } from '../../../src/formats/peft/export-config.js';
import { PathExport, type ExportStep } from '../../../src/formats/peft/path-export.js';
import { readAdapter } from '../../../src/formats/peft/read-adapter.js';
import { targetModules } from '../../../src/formats/peft/target-modules.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { denseDelta } from '../../../src/lowrank/dense-delta.js';
import { temporaryFolders } from './support/folder.js';
import { adapterTensors, TINY, tinyModules } from './support/tiny-model.js';

const newFolder = temporaryFolders();
const base = { config: parseModelConfig(TINY), origins: ['org/tiny'] };

let folder: string;
beforeEach(async () => {
  folder = await newFolder();
});

interface Written {
  config: Record<string, unknown>;
  dtype?: 'F16' | 'F32';
}

/** One adapter folder; the values of each are others. */
async function step(name: string, weight: number, { config, dtype = 'F32' }: Written): Promise<ExportStep> {
  const whole = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'], ...config };
  const configFile = join(folder, `${name}.json`);
  const weightsFile = join(folder, `${name}.safetensors`);
  await writeFile(configFile, JSON.stringify(whole));
  const tensors = adapterTensors(targetModules(parseAdapterConfig(whole), tinyModules()));
  const sign = name.length % 2 === 0 ? 1 : -0.5;
  await writeSafetensors(
    weightsFile,
    tensors.map((tensor) => ({ ...tensor, dtype, data: tensor.data.map((value) => sign * value) })),
  );
  return { digest: name, configFile, weightsFile, weight };
}

async function exported(steps: readonly ExportStep[]): Promise<{ adapter: Adapter; weights: Buffer; config: string }> {
  const path = await PathExport.open(steps, base, 'digest');
  const config = path.config('org/tiny');
  const weights = await buffer(Readable.from(path.weights()));
  expect(weights).toHaveLength(path.weightsBytes);
  await path.close();
  const files = { configFile: join(folder, 'out.json'), weightsFile: join(folder, 'out.safetensors') };
  await writeFile(files.configFile, config);
  await writeFile(files.weightsFile, weights);
  return { adapter: await readAdapter(files, base), weights, config };
}

/** Module → the dense sum of the steps. */
async function denseSum(steps: readonly ExportStep[]): Promise<Map<string, number[]>> {
  const sums = new Map<string, number[]>();
  for (const { weight, ...files } of steps) {
    for (const [module, delta] of (await readAdapter(files, base)).deltas) {
      const dense = [...denseDelta(delta, weight)];
      sums.set(module, sums.get(module)?.map((value, i) => value + dense[i]!) ?? dense);
    }
  }
  return sums;
}

async function expectSum(steps: readonly ExportStep[]): Promise<Adapter> {
  const { adapter } = await exported(steps);
  const expected = await denseSum(steps);
  expect([...adapter.deltas.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [module, delta] of adapter.deltas) {
    expect(delta.scale).toBe(1);
    const largest = Math.max(...expected.get(module)!.map(Math.abs));
    denseDelta(delta).forEach((value, i) => {
      expect(Math.abs(value - expected.get(module)![i]!)).toBeLessThanOrEqual(1e-6 * largest);
    });
  }
  return adapter;
}

describe('an exported path', () => {
  it('is the sum of its steps, where ranks, scales, dtypes and modules differ', async () => {
    const adapter = await expectSum([
      await step('one', 1, { config: { r: 3, target_modules: 'all-linear' } }),
      await step('four', -1.25, { config: { use_rslora: true, target_modules: ['lm_head', 'q_proj'] }, dtype: 'F16' }),
      await step('other', 0.001, {
        config: { rank_pattern: { 'layers.1.mlp.down_proj': 1 }, target_modules: ['down_proj', 'q_proj'] },
      }),
    ]);
    expect(adapter.targets['model.layers.0.self_attn.q_proj']?.rank).toBe(7);
    expect(adapter.targets['model.layers.0.self_attn.k_proj']?.rank).toBe(3);
    expect(adapter.targets['model.layers.1.mlp.down_proj']?.rank).toBe(4);
    expect(adapter.targets['lm_head']?.rank).toBe(2);
  });

  it('of one step with weight 1 keeps its values', async () => {
    const one = await step('one', 1, { config: { r: 2, lora_alpha: 2 }, dtype: 'F16' });
    const { adapter } = await exported([one]);
    expect(adapter.digest).toBe((await readAdapter(one, base)).digest);
  });

  it('has more than a thousand ranks where its steps have', async () => {
    const config = { r: 700, lora_alpha: 3, target_modules: ['v_proj', 'up_proj'] };
    const adapter = await expectSum([await step('one', 1, { config }), await step('four', 4, { config })]);
    expect(adapter.rank).toBe(1400);
  });

  it('is the same bytes every time', async () => {
    const steps = [await step('one', 1, { config: {} }), await step('four', 2, { config: { r: 5 } })];
    const [first, second] = [await exported(steps), await exported(steps)];
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(hash(second.weights)).toBe(hash(first.weights));
    expect(second.config).toBe(first.config);
    const file = await SafetensorsFile.open(join(folder, 'out.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt', espalier_path: 'digest' });
    await file.close();
  });

  it('lets go of its files when it was not written to the end, and when it can not be opened', async () => {
    const good = await step('one', 1, { config: {} });
    const path = await PathExport.open([good], base, 'digest');
    for await (const piece of path.weights()) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await path.close();
    const missing = { ...good, weightsFile: join(folder, 'missing') };
    await expect(PathExport.open([good, missing], base, 'digest')).rejects.toMatchObject({
      code: 'adapter_load_failed',
    });
  });
});

describe('its config', () => {
  const modules = linearModules({ ...base.config, layers: 120 });
  /** What PEFT's get_pattern_key takes: the first key that matches. */
  const byPattern = (patterns: unknown, name: string) =>
    Object.entries(patterns as Record<string, number>).find(([key]) =>
      new RegExp(`^(.*\\.)?(${key})$`).test(name),
    )?.[1];

  test('gives each module its rank and a scale of 1, among 120 layers', () => {
    const ranks = modules.map(({ name }, i) => ({ name, rank: 1 + (i % 5) }));
    const config = exportConfig(ranks, 'org/tiny');
    expect(config).toMatchObject({ r: 5, lora_alpha: 5, base_model_name_or_path: 'org/tiny' });
    for (const { name, rank } of ranks) {
      expect(byPattern(config['rank_pattern'], name) ?? config['r']).toBe(rank);
      expect(byPattern(config['alpha_pattern'], name) ?? config['lora_alpha']).toBe(rank);
    }
    const targets = targetModules(parseAdapterConfig(config), modules);
    expect(targets.map(({ module, rank, scale }) => [module.name, rank, scale])).toEqual(
      ranks.map(({ name, rank }) => [name, rank, 1]),
    );
  });

  test('needs no pattern where all ranks are alike, and names no module in vain', () => {
    const some = modules
      .filter(({ name }) => name.startsWith('model.layers.1.'))
      .map(({ name }) => ({ name, rank: 4 }));
    const config = exportConfig(some, 'org/tiny');
    expect(config).toMatchObject({ r: 4, rank_pattern: {}, alpha_pattern: {} });
    expect(targetModules(parseAdapterConfig(config), modules)).toHaveLength(some.length);
  });
});
