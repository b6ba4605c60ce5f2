/**
 * A tree on the demo's base model with tiny adapters of random numbers, large enough that every path writes something
 * else: story, story/french, story/french/verne, story/german.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { REPOSITORY, TestService } from './service.js';

export const BASE = join(REPOSITORY, 'examples/storyteller/base');
const RANK = 2;

export interface SmallTree {
  service: TestService;
  /** Holds the adapters; the service may import from it. */
  folder: string;
}

/** A service with the tree in it. */
export async function startWithSmallTree(env: Record<string, string> = {}): Promise<SmallTree> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier adapters '));
  const service = await TestService.start({ env: { ESPALIER_IMPORT_ROOTS: folder, ...env } });
  try {
    await growSmallTree(service, folder);
    return { service, folder };
  } catch (error) {
    await service.remove();
    throw error;
  }
}

/** The tree in a service that may read the folder. */
export async function growSmallTree(service: TestService, folder: string): Promise<void> {
  await created(service, '/api/v1/models', { name: 'story', folder: BASE });
  for (const [seed, path] of ['story/french', 'story/french/verne', 'story/german'].entries()) {
    const adapter = await writeAdapter(join(folder, `${seed}`), seed + 1);
    await created(service, '/api/v1/revisions', { path, folder: adapter });
  }
}

export async function created(service: TestService, path: string, json: object): Promise<Record<string, unknown>> {
  const { status, body } = await service.call(path, { json });
  if (status !== 201) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** A PEFT folder: low rank on the first two layers' q_proj and down_proj. */
export async function writeAdapter(folder: string, seed: number, rank = RANK): Promise<string> {
  await mkdir(folder);
  const config = JSON.parse(await readFile(join(BASE, 'config.json'), 'utf8')) as Record<string, number>;
  const {
    hidden_size: hidden = 0,
    intermediate_size: intermediate = 0,
    num_attention_heads: heads = 0,
    head_dim,
  } = config;
  const shapes = {
    'self_attn.q_proj': [heads * (head_dim ?? 0), hidden],
    'mlp.down_proj': [hidden, intermediate],
  } as const;
  const random = numbers(seed);
  const modules: string[] = [];
  const tensors = [0, 1].flatMap((layer) =>
    Object.entries(shapes).flatMap(([kind, [out, inward]]) => {
      const module = `layers.${layer}.${kind}`;
      modules.push(module);
      const tensor = (part: string, shape: number[]) => ({
        name: `base_model.model.model.${module}.${part}.weight`,
        dtype: 'F32' as const,
        shape,
        data: Float32Array.from({ length: shape[0]! * shape[1]! }, () => random() * 0.5),
      });
      return [tensor('lora_A', [rank, inward]), tensor('lora_B', [out, rank])];
    }),
  );
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  const adapter = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'base',
    r: rank,
    lora_alpha: 4,
    target_modules: modules,
    bias: 'none',
  };
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(adapter));
  return folder;
}

/** The base model's folder again, with some files replaced or (null) left out. */
export async function copyBase(folder: string, changes: Record<string, string | null>): Promise<string> {
  await mkdir(folder);
  for (const name of await readdir(BASE)) {
    if (!(name in changes)) await copyFile(join(BASE, name), join(folder, name));
  }
  for (const [name, text] of Object.entries(changes)) if (text !== null) await writeFile(join(folder, name), text);
  return folder;
}

/** Repeatable numbers between −1 and 1: a linear congruential generator (Numerical Recipes). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
