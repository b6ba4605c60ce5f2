import { describe, expect, it } from '@jest/globals';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readGenerationConfig } from '../../../src/formats/checkpoint/generation-config.js';
import { readCheckpoint, readModelConfig } from '../../../src/formats/checkpoint/read-checkpoint.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { temporaryFolders } from './support/folder.js';
import { tensorsOf, TINY, values, writeCheckpoint } from './support/tiny-model.js';

const newFolder = temporaryFolders();

const INDEX = 'model.safetensors.index.json';

/** The tiny model in two shards; `map` may be changed before it is written. */
async function writeShards(folder: string, change: (map: Record<string, string>) => void = () => undefined) {
  const tensors = tensorsOf(TINY);
  const half = Math.floor(tensors.length / 2);
  await writeCheckpoint(folder);
  await rm(join(folder, 'model.safetensors'));
  const map: Record<string, string> = {};
  for (const [file, part] of [
    ['model-00001-of-00002.safetensors', tensors.slice(0, half)],
    ['model-00002-of-00002.safetensors', tensors.slice(half)],
  ] as const) {
    await writeSafetensors(join(folder, file), part);
    for (const { name } of part) map[name] = file;
  }
  change(map);
  await writeFile(join(folder, INDEX), JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
}

describe('readCheckpoint', () => {
  it('finds every tensor of a single file', async () => {
    const folder = await newFolder();
    await writeCheckpoint(folder);
    await writeFile(join(folder, 'chat_template.jinja'), '{{ messages }}');
    await writeFile(join(folder, 'notes.txt'), 'not copied');
    const checkpoint = await readCheckpoint(folder);
    expect(checkpoint).toMatchObject({
      folder,
      config: await readModelConfig(folder),
      weightFiles: ['model.safetensors'],
      otherFiles: ['config.json', 'tokenizer.json', 'chat_template.jinja'],
      origins: [basename(folder)],
      warnings: [],
    });
    const tensors = tensorsOf(TINY);
    expect(checkpoint.parameters).toBe(tensors.reduce((sum, { data }) => sum + data.length, 0));
    expect(checkpoint.weightBytes).toBe(4 * checkpoint.parameters);
    expect([...checkpoint.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    expect(checkpoint.tensors.get('model.norm.weight')).toMatchObject({
      file: 'model.safetensors',
      dtype: 'F32',
      shape: [8],
    });
  });

  it('finds them in shards', async () => {
    const folder = await newFolder();
    await writeShards(folder);
    const checkpoint = await readCheckpoint(folder);
    expect(checkpoint.weightFiles).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
    expect(checkpoint.otherFiles).toContain(INDEX);
    expect(checkpoint.tensors.size).toBe(tensorsOf(TINY).length);
    expect(checkpoint.tensors.get('model.norm.weight')?.file).toBe('model-00002-of-00002.safetensors');
  });

  it.each([
    '../a.safetensors',
    '/etc/a.safetensors',
    'a/b.safetensors',
    '..',
    '.safetensors',
    'x.bin',
    'a\\b.safetensors',
  ])('refuses a shard called %s', async (file) => {
    const folder = await newFolder();
    await writeShards(folder, (map) => (map['model.norm.weight'] = file));
    await expect(readCheckpoint(folder)).rejects.toThrow('not the plain name of a .safetensors file');
  });

  it('refuses an index that its shards contradict', async () => {
    const folder = await newFolder();
    await writeShards(folder, (map) => (map['model.norm.weight'] = 'model-00001-of-00002.safetensors'));
    await expect(readCheckpoint(folder)).rejects.toThrow(
      'says that model-00001-of-00002.safetensors has the tensor "model.norm.weight", but it has not',
    );
    await writeShards(folder, (map) => (map['model.norm.weight'] = 'model-00003.safetensors'));
    await expect(readCheckpoint(folder)).rejects.toThrow('model-00003.safetensors is missing');
    await writeFile(join(folder, INDEX), '{"weight_map": {"a": 1}}');
    await expect(readCheckpoint(folder)).rejects.toThrow('has no weight_map');
  });

  it('says what is missing', async () => {
    const folder = await newFolder();
    await expect(readCheckpoint(folder)).rejects.toThrow('config.json is missing');
    await writeCheckpoint(folder);
    await rm(join(folder, 'model.safetensors'));
    await expect(readCheckpoint(folder)).rejects.toThrow('safe_serialization=True');
    await rm(join(folder, 'tokenizer.json'));
    const tensors = tensorsOf(TINY);
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    expect((await readCheckpoint(folder)).warnings).toEqual([expect.stringContaining('no tokenizer.json')]);
    await writeSafetensors(join(folder, 'model.safetensors'), tensors.slice(1));
    await expect(readCheckpoint(folder)).rejects.toThrow(`no tensor "${tensors[0]!.name}"`);
  });

  it('refuses shapes that the config contradicts', async () => {
    const folder = await newFolder();
    await writeCheckpoint(folder, { ...TINY, hidden_size: 16, head_dim: 4 }, tensorsOf(TINY));
    await expect(readCheckpoint(folder)).rejects.toMatchObject({ code: 'tensor_shape_mismatch' });
  });

  it('warns of tensors that nothing reads, but not of old buffers', async () => {
    const folder = await newFolder();
    const extra = (name: string) => ({ name, dtype: 'F32' as const, shape: [1], data: values(1) });
    const tensors = [
      ...tensorsOf(TINY),
      extra('model.layers.0.self_attn.rotary_emb.inv_freq'),
      extra('model.layers.0.self_attn.q_proj.bias'),
    ];
    await writeCheckpoint(folder, TINY, tensors);
    const { warnings, tensors: used } = await readCheckpoint(folder);
    expect(warnings).toEqual([expect.stringContaining('model.layers.0.self_attn.q_proj.bias')]);
    expect(used.has('model.layers.0.self_attn.q_proj.bias')).toBe(false);
  });

  describe('with tied embeddings', () => {
    const tied = { ...TINY, tie_word_embeddings: true };
    const matrix = (name: string, seed: number) => ({
      name,
      dtype: 'F32' as const,
      shape: [12, 8],
      data: values(96, seed),
    });

    it('takes the embedding alone, an equal lm_head beside it, or the lm_head alone', async () => {
      const folder = await newFolder();
      const tensors = tensorsOf(tied);
      const embedding = tensors.find(({ name }) => name === 'model.embed_tokens.weight')!;
      const others = tensors.filter((tensor) => tensor !== embedding);
      for (const given of [tensors, [...tensors, { ...embedding, name: 'lm_head.weight' }]]) {
        await writeCheckpoint(folder, tied, given);
        const checkpoint = await readCheckpoint(folder);
        expect([...checkpoint.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
        expect(checkpoint.warnings).toEqual([]);
      }
      await writeCheckpoint(folder, tied, [...others, { ...embedding, name: 'lm_head.weight' }]);
      expect((await readCheckpoint(folder)).tensors.get('model.embed_tokens.weight')?.shape).toEqual([12, 8]);
    });

    it('refuses an lm_head of its own', async () => {
      const folder = await newFolder();
      await writeCheckpoint(folder, tied, [...tensorsOf(tied), matrix('lm_head.weight', 99)]);
      await expect(readCheckpoint(folder)).rejects.toThrow('"tie_word_embeddings" is true, but the weights have');
    });
  });

  it('knows a hub cache by its id, and the name that the config gives', async () => {
    const cache = await newFolder();
    const snapshot = join(cache, 'models--org--small--model', 'snapshots', '0123abcd');
    await mkdir(join(cache, 'models--org--small--model', 'blobs'), { recursive: true });
    await writeCheckpoint(join(cache, 'files'), { ...TINY, _name_or_path: 'org/original' });
    await mkdir(snapshot, { recursive: true });
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) {
      await symlink(join(cache, 'files', name), join(snapshot, name));
    }
    expect((await readCheckpoint(snapshot)).origins).toEqual(['org/small--model', 'org/original']);
  });
});

describe('readGenerationConfig', () => {
  it('unites the ids that end a text', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'config.json'), '{"eos_token_id": 7, "bos_token_id": 1}');
    expect(await readGenerationConfig(folder)).toEqual({ eosTokenIds: [7], bosTokenId: 1 });
    await writeFile(join(folder, 'generation_config.json'), '{"eos_token_id": [9, 7, 2], "bos_token_id": 3}');
    expect(await readGenerationConfig(folder)).toEqual({ eosTokenIds: [2, 7, 9], bosTokenId: 3 });
    await writeFile(join(folder, 'config.json'), '{"eos_token_id": null}');
    await writeFile(join(folder, 'generation_config.json'), '{}');
    expect(await readGenerationConfig(folder)).toEqual({ eosTokenIds: [], bosTokenId: null });
  });

  it('reads defaults for sampling', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'config.json'), '{}');
    const sampling = { do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.1 };
    await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ ...sampling, max_new_tokens: 5 }));
    expect(await readGenerationConfig(folder)).toMatchObject({
      temperature: 0.7,
      topP: 0.8,
      topK: 20,
      repetitionPenalty: 1.1,
      maxNewTokens: 5,
    });
    await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ ...sampling, do_sample: false }));
    expect((await readGenerationConfig(folder)).temperature).toBe(0);
  });

  it('refuses what makes no sense', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'config.json'), '{"eos_token_id": -1}');
    await expect(readGenerationConfig(folder)).rejects.toThrow('config.json can\'t be used: "eos_token_id"');
    await writeFile(join(folder, 'config.json'), '{}');
    await writeFile(join(folder, 'generation_config.json'), '{"top_p": 3}');
    await expect(readGenerationConfig(folder)).rejects.toThrow('generation_config.json can\'t be used: "top_p"');
    await writeFile(join(folder, 'generation_config.json'), '{');
    await expect(readGenerationConfig(folder)).rejects.toThrow('generation_config.json is not valid JSON');
  });
});
