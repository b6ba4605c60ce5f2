import { beforeEach, describe, expect, it } from '@jest/globals';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseModelConfig } from '../../../src/formats/checkpoint/parse-model-config.js';
import { parseAdapterConfig } from '../../../src/formats/peft/adapter-config.js';
import { readAdapter } from '../../../src/formats/peft/read-adapter.js';
import { targetModules } from '../../../src/formats/peft/target-modules.js';
import { type TensorToWrite, writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { denseDelta } from '../../../src/lowrank/dense-delta.js';
import { temporaryFolders } from './support/folder.js';
import { adapterTensors, tensorsOf, TINY, tinyModules, values, writeCheckpoint } from './support/tiny-model.js';

const newFolder = temporaryFolders();

const CONFIG = {
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  base_model_name_or_path: 'org/tiny',
  r: 2,
  lora_alpha: 4,
  target_modules: ['q_proj', 'down_proj'],
};
const base = { config: parseModelConfig(TINY), origins: ['org/tiny'] };
const Q0 = 'base_model.model.model.layers.0.self_attn.q_proj';

let folder: string;
beforeEach(async () => {
  folder = await newFolder();
});
const files = () => ({
  configFile: join(folder, 'config blob'),
  weightsFile: join(folder, 'weights blob'),
});

type Config = Record<string, unknown>;

function tensorsFor(config: Config): TensorToWrite[] {
  return adapterTensors(targetModules(parseAdapterConfig(config), tinyModules()));
}

async function writeAdapter(config: Config = CONFIG, tensors = tensorsFor(config)): Promise<void> {
  await writeFile(files().configFile, JSON.stringify(config));
  await writeSafetensors(files().weightsFile, tensors);
}

/** The adapter of CONFIG with one tensor changed. */
async function writeChanged(key: string, change: (tensor: TensorToWrite) => TensorToWrite): Promise<void> {
  const tensors = tensorsFor(CONFIG);
  expect(tensors.some(({ name }) => name === key)).toBe(true);
  await writeAdapter(
    CONFIG,
    tensors.map((tensor) => (tensor.name === key ? change(tensor) : tensor)),
  );
}

const read = (other: Partial<Parameters<typeof readAdapter>[1]> = {}) => readAdapter(files(), { ...base, ...other });

describe('readAdapter', () => {
  it('reads the deltas of each module', async () => {
    await writeAdapter();
    const adapter = await read();
    expect([...adapter.deltas.keys()]).toEqual([
      'model.layers.0.self_attn.q_proj',
      'model.layers.0.mlp.down_proj',
      'model.layers.1.self_attn.q_proj',
      'model.layers.1.mlp.down_proj',
    ]);
    const tensors = new Map(tensorsFor(CONFIG).map(({ name, data }) => [name, data]));
    expect(adapter.deltas.get('model.layers.0.self_attn.q_proj')).toEqual({
      rank: 2,
      inFeatures: 8,
      outFeatures: 8,
      a: tensors.get(`${Q0}.lora_A.weight`),
      b: tensors.get(`${Q0}.lora_B.weight`),
      scale: 2,
    });
    expect(adapter.targets['model.layers.1.mlp.down_proj']).toEqual({ rank: 2, scale: 2 });
    expect(adapter).toMatchObject({ rank: 2, warnings: [], bytes: 4 * 2 * (2 * 16 + 2 * 18) });
    expect(adapter.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads ranks and scales by module, and lm_head', async () => {
    const config = {
      ...CONFIG,
      use_rslora: true,
      target_modules: ['q_proj', 'lm_head'],
      rank_pattern: { 'layers.1.self_attn.q_proj': 4 },
      alpha_pattern: { lm_head: 1 },
    };
    await writeAdapter(config);
    const adapter = await read();
    expect(adapter.rank).toBe(4);
    expect(adapter.targets).toEqual({
      'model.layers.0.self_attn.q_proj': { rank: 2, scale: 4 / Math.SQRT2 },
      'model.layers.1.self_attn.q_proj': { rank: 4, scale: 2 },
      lm_head: { rank: 2, scale: 1 / Math.SQRT2 },
    });
    expect(adapter.deltas.get('lm_head')).toMatchObject({ inFeatures: 8, outFeatures: 12 });
  });

  it('takes an adapter name in the keys, and F16', async () => {
    await writeAdapter();
    const plain = await read();
    const named = tensorsFor(CONFIG).map((tensor) => ({
      ...tensor,
      name: tensor.name.replace('.weight', '.default.weight'),
    }));
    await writeAdapter(CONFIG, named);
    expect((await read()).digest).toBe(plain.digest);
    await writeAdapter(
      CONFIG,
      named.map((tensor) => ({ ...tensor, dtype: 'F16' })),
    );
    const rounded = await read();
    const [one, other] = [plain, rounded].map(({ deltas }) => denseDelta([...deltas.values()][0]!));
    expect(one!.every((value, i) => Math.abs(value - other![i]!) < 5e-3)).toBe(true);
    expect(rounded.digest).not.toBe(plain.digest);
  });

  it('gives a digest of what the adapter does', async () => {
    await writeAdapter();
    const { digest } = await read();
    const same = {
      ...CONFIG,
      lora_dropout: 0.5,
      target_modules: ['down_proj', 'q_proj'],
      base_model_name_or_path: null,
    };
    await writeAdapter(same);
    expect((await read()).digest).toBe(digest);
    await writeAdapter({ ...CONFIG, lora_alpha: 8 });
    expect((await read()).digest).not.toBe(digest);
    await writeAdapter({ ...CONFIG, alpha_pattern: { 'layers.1.mlp.down_proj': 5 } });
    expect((await read()).digest).not.toBe(digest);
    await writeChanged(`${Q0}.lora_A.weight`, (tensor) => ({ ...tensor, data: tensor.data.with(3, 0.5) }));
    expect((await read()).digest).not.toBe(digest);
  });

  describe('warns of another base by its name', () => {
    it.each([
      ['org/tiny', ['org/tiny'], true],
      ['/home/someone/Tiny/', ['models/tiny'], true],
      ['C:\\models\\tiny', ['tiny'], true],
      ['', ['org/tiny'], true],
      ['org/other', ['org/tiny', 'demo'], false],
    ])('%j for %j', async (named, origins, quiet) => {
      await writeAdapter({ ...CONFIG, base_model_name_or_path: named });
      const { warnings } = await read({ origins });
      expect(warnings).toEqual(
        quiet ? [] : [`base_model_name_or_path is "${named}", but this model is known as ${origins.join(', ')}.`],
      );
    });
  });

  describe('refuses an adapter for another base', () => {
    it('by shapes', async () => {
      await writeAdapter();
      const config = parseModelConfig({ ...TINY, hidden_size: 16, head_dim: 4 });
      await expect(read({ config, origins: ['big'] })).rejects.toMatchObject({ code: 'adapter_base_mismatch' });
      await expect(read({ config, origins: ['big'] })).rejects.toThrow(
        `"${Q0}.lora_A.weight" is [2, 8], where this model needs [2, 16]. It names "org/tiny" as its base model; this one is big.`,
      );
    });

    it('by layers that it has not', async () => {
      await writeAdapter();
      const config = parseModelConfig({ ...TINY, num_hidden_layers: 1 });
      await expect(read({ config })).rejects.toThrow('is for a layer that this model has not');
    });
  });

  it.each<[string, string]>([
    [`${Q0}.lora_magnitude_vector.weight`, 'belongs to DoRA'],
    [`${Q0}.lora_B.bias`, 'lora_bias=False'],
    [`${Q0}.lora_B.default.bias`, 'lora_bias=False'],
    [`${Q0}.bias`, 'trained bias'],
    ['base_model.model.model.embed_tokens.lora_embedding_A', 'LoRA on the embedding'],
    ['base_model.model.model.embed_tokens.lora_embedding_B.default', 'LoRA on the embedding'],
    ['base_model.model.lm_head.modules_to_save.weight', 'without modules_to_save'],
    ['model.layers.0.self_attn.q_proj.lora_A.weight', 'is no key of a PEFT LoRA adapter'],
    [`${Q0}.lora_C.weight`, 'is no key of a PEFT LoRA adapter'],
    ['__proto__', 'is no key of a PEFT LoRA adapter'],
  ])('refuses the key %s', async (name, message) => {
    await writeAdapter(CONFIG, [...tensorsFor(CONFIG), { name, dtype: 'F32', shape: [1], data: values(1) }]);
    await expect(read()).rejects.toMatchObject({ code: 'invalid_adapter_tensor', details: { key: name } });
    await expect(read()).rejects.toThrow(message);
  });

  it('refuses a long key in no time', async () => {
    const name = `${Q0}${'.lora_A.'.repeat(50_000)}`;
    await writeAdapter(CONFIG, [...tensorsFor(CONFIG), { name, dtype: 'F32', shape: [1], data: values(1) }]);
    const startMs = performance.now();
    await expect(read()).rejects.toThrow('is no key of a PEFT LoRA adapter');
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  it('refuses half an adapter, and more than the config names', async () => {
    const tensors = tensorsFor(CONFIG);
    await writeAdapter(CONFIG, tensors.slice(1));
    await expect(read()).rejects.toThrow(`"${Q0}.lora_A.weight" is missing, though target_modules names its module`);
    await writeAdapter({ ...CONFIG, target_modules: ['q_proj'] }, tensors);
    await expect(read()).rejects.toThrow('down_proj.lora_A.weight" is for a module that target_modules does not name');
    await writeAdapter({ ...CONFIG, target_modules: ['nothing'] }, []);
    await expect(read()).rejects.toMatchObject({ code: 'adapter_without_effect' });
    await writeAdapter(CONFIG, [...tensors, { ...tensors[0]!, name: `${Q0}.lora_A.second.weight` }]);
    await expect(read()).rejects.toThrow('are the same half of one module');
  });

  it('refuses a rank that the config does not give', async () => {
    await writeAdapter({ ...CONFIG, r: 3 }, tensorsFor(CONFIG));
    await expect(read()).rejects.toThrow('has rank 2, but r and rank_pattern in adapter_config.json say 3');
  });

  it('refuses one dimension too many', async () => {
    await writeChanged(`${Q0}.lora_A.weight`, (tensor) => ({ ...tensor, shape: [2, 8, 1] }));
    await expect(read()).rejects.toMatchObject({ code: 'adapter_base_mismatch' });
  });

  it.each([
    [NaN, 'A', 'not finite'],
    [Infinity, 'B', 'not finite'],
    [-Infinity, 'A', 'not finite'],
    [10_001, 'A', '|A| up to 1.00e+4; more than 10000'],
    [-10_001, 'A', 'more than 10000'],
    [5_001, 'B', '|scale · B| up to 1.00e+4'],
  ])('refuses %p in %s', async (value, half, message) => {
    await writeChanged(`${Q0}.lora_${half}.weight`, (tensor) => ({ ...tensor, data: tensor.data.with(3, value) }));
    await expect(read()).rejects.toMatchObject({ details: { key: `${Q0}.lora_${half}.weight` } });
    await expect(read()).rejects.toThrow(message);
  });

  it('takes values up to the limit', async () => {
    await writeChanged(`${Q0}.lora_A.weight`, (tensor) => ({ ...tensor, data: tensor.data.with(3, 10_000) }));
    await expect(read()).resolves.toMatchObject({ rank: 2 });
    await writeChanged(`${Q0}.lora_B.weight`, (tensor) => ({ ...tensor, data: tensor.data.with(3, -5_000) }));
    await expect(read()).resolves.toMatchObject({ rank: 2 });
  });

  describe('refuses an adapter that would change nothing', () => {
    const zeroed = (pattern: RegExp) =>
      tensorsFor(CONFIG).map((tensor) =>
        pattern.test(tensor.name) ? { ...tensor, data: new Float32Array(tensor.data.length) } : tensor,
      );

    it.each([
      ['B is zero, as before training', CONFIG, zeroed(/lora_B/)],
      ['A is zero', CONFIG, zeroed(/lora_A/)],
      ['one half or the other is zero', CONFIG, zeroed(/q_proj.*lora_A|down_proj.*lora_B/)],
      ['the scale is zero', { ...CONFIG, lora_alpha: 0 }, tensorsFor(CONFIG)],
      [
        'the halves have no rank row in common',
        CONFIG,
        tensorsFor(CONFIG).map((tensor) => ({
          ...tensor,
          data: tensor.data.map((value, i) => {
            const row = tensor.name.includes('lora_A') ? Math.floor(i / tensor.shape[1]!) : 1 - (i % 2);
            return row === 0 ? value : 0;
          }),
        })),
      ],
    ])('%s', async (_, config, tensors) => {
      await writeAdapter(config, tensors);
      await expect(read()).rejects.toMatchObject({ code: 'adapter_without_effect' });
    });

    it('but one module with an effect is enough', async () => {
      await writeAdapter(CONFIG, zeroed(/layers\.0.*lora_B|layers\.1.*down.*lora_B/));
      await expect(read()).resolves.toMatchObject({ rank: 2 });
    });
  });

  describe("beside lm_head's delta, a copy of the base's own weight", () => {
    const config = { ...CONFIG, target_modules: ['lm_head'] };
    const head = tensorsOf(TINY).find(({ name }) => name === 'lm_head.weight')!;
    const copy = { ...head, name: 'base_model.model.lm_head.base_layer.weight' };

    it('is compared with the base', async () => {
      const checkpoint = await newFolder();
      await writeCheckpoint(checkpoint);
      for (const dtype of ['F32', 'F16'] as const) {
        await writeAdapter(config, [...tensorsFor(config), { ...copy, dtype }]);
        expect((await read({ folder: checkpoint })).warnings).toEqual([]);
      }
      await writeAdapter(config, [...tensorsFor(config), { ...copy, data: copy.data.with(5, copy.data[5]! + 0.01) }]);
      await expect(read({ folder: checkpoint })).rejects.toThrow("is not the base's own lm_head.weight");
      expect((await read()).warnings).toEqual([expect.stringContaining('not compared')]);
    });

    it('is compared with the embedding where that is tied to it', async () => {
      const checkpoint = await newFolder();
      const tied = { ...TINY, tie_word_embeddings: true };
      await writeCheckpoint(checkpoint, tied);
      const { data } = tensorsOf(tied).find(({ name }) => name === 'model.embed_tokens.weight')!;
      const other = { config: parseModelConfig(tied), folder: checkpoint };
      await writeAdapter(config, [...tensorsFor(config), { ...copy, data }]);
      expect((await read(other)).warnings).toEqual([]);
      await writeAdapter(config, [...tensorsFor(config), { ...copy, data: data.map((value) => value * 1.01) }]);
      await expect(read(other)).rejects.toThrow("is not the base's own");
    });

    it('is refused with another vocabulary', async () => {
      const resized = { ...copy, shape: [13, 8], data: values(13 * 8) };
      await writeAdapter(config, [...tensorsFor(config), resized]);
      await expect(read()).rejects.toThrow('is [13, 8], another vocabulary');
    });
  });

  it('says what is wrong with the files by their names in a PEFT folder', async () => {
    await expect(read()).rejects.toThrow('adapter_config.json is missing.');
    await writeFile(files().configFile, '['.repeat(1_000_000));
    await expect(read()).rejects.toThrow('adapter_config.json is nested deeper');
    await writeAdapter();
    await truncate(files().weightsFile, 700);
    await expect(read()).rejects.toThrow('adapter_model.safetensors');
  });

  it('any keys are read or refused with a code', async () => {
    const part = fc.constantFrom(
      'base_model.model.',
      'model.layers.0.self_attn.q_proj',
      '.lora_A',
      '.lora_B',
      '.weight',
      '.x',
    );
    const key = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 4 }), async (keys) => {
        const shape = [2, 8];
        await writeAdapter(
          CONFIG,
          keys.map((name) => ({ name, dtype: 'F32', shape, data: values(16) })),
        );
        await expect(read()).rejects.toHaveProperty('code');
      }),
      { numRuns: 50 },
    );
  });
});
