/** A random Llama small enough to run in milliseconds, and random adapters for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FoldedAdapter, foldedAdapter } from '../../../../src/engine/folded-adapter.js';
import { EngineMemory, LoadedModel } from '../../../../src/engine/loaded-model.js';
import type { AdapterUse, EngineLimits } from '../../../../src/engine/protocol.js';
import { linearModules } from '../../../../src/formats/checkpoint/modules.js';
import { type Checkpoint, readCheckpoint } from '../../../../src/formats/checkpoint/read-checkpoint.js';
import { type TensorToWrite, writeSafetensors } from '../../../../src/formats/safetensors/write-safetensors.js';
import type { FoldedDelta } from '../../../../src/lowrank/delta.js';

/** Three blocks of logits, the last of them cut off. */
export const VOCAB = 300;

export const LIMITS: EngineLimits = {
  maxRows: 16,
  maxWaiting: 16,
  prefillChunkTokens: 64,
  kvBudgetBytes: 64 * 1024 * 1024,
  bankRankBudget: 64,
  hostBudgetBytes: 64 * 1024 * 1024,
  threads: 1,
};

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  vocab_size: VOCAB,
  max_position_embeddings: 300,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
};

/** Uniform in ±scale, the same for the same seed (mulberry32). */
export function random(length: number, seed: number, scale: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1) * scale;
  });
}

export class TinyModel {
  readonly checkpoint: Checkpoint;
  readonly #folder: string;

  private constructor(folder: string, checkpoint: Checkpoint) {
    this.#folder = folder;
    this.checkpoint = checkpoint;
  }

  /** `addToWeights`: W + what it returns, [out, in], for building a dense oracle. */
  static async create(
    addToWeights: (module: string) => Float32Array | undefined = () => undefined,
  ): Promise<TinyModel> {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-tiny-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
    const { hidden_size: hidden, intermediate_size: mlp, head_dim: hd } = CONFIG;
    const tensors: TensorToWrite[] = [];
    const add = (name: string, shape: number[], data?: Float32Array) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      tensors.push({ name, dtype: 'F32', shape, data: data ?? random(elements, tensors.length + 1, 0.3) });
    };
    const norm = new Float32Array(hidden).fill(1);
    const linear = (name: string, outFeatures: number, inFeatures: number) => {
      const data = random(outFeatures * inFeatures, tensors.length + 1, 0.3);
      const added = addToWeights(name);
      add(`${name}.weight`, [outFeatures, inFeatures], added ? data.map((value, i) => value + added[i]!) : data);
    };
    add('model.embed_tokens.weight', [VOCAB, hidden]);
    add('model.norm.weight', [hidden], norm);
    for (let layer = 0; layer < CONFIG.num_hidden_layers; layer++) {
      const scope = `model.layers.${layer}`;
      add(`${scope}.input_layernorm.weight`, [hidden], norm);
      add(`${scope}.post_attention_layernorm.weight`, [hidden], norm);
      linear(`${scope}.self_attn.q_proj`, CONFIG.num_attention_heads * hd, hidden);
      linear(`${scope}.self_attn.k_proj`, CONFIG.num_key_value_heads * hd, hidden);
      linear(`${scope}.self_attn.v_proj`, CONFIG.num_key_value_heads * hd, hidden);
      linear(`${scope}.self_attn.o_proj`, hidden, CONFIG.num_attention_heads * hd);
      linear(`${scope}.mlp.gate_proj`, mlp, hidden);
      linear(`${scope}.mlp.up_proj`, mlp, hidden);
      linear(`${scope}.mlp.down_proj`, hidden, mlp);
    }
    linear('lm_head', VOCAB, hidden);
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    const checkpoint = await readCheckpoint(folder);
    return new TinyModel(folder, checkpoint);
  }

  async load(limits: Partial<EngineLimits> = {}, adapters: readonly FoldedAdapter[] = []): Promise<LoadedModel> {
    const all = { ...LIMITS, ...limits };
    const memory = new EngineMemory(all);
    const model = await LoadedModel.load({ digest: 'tiny', folder: this.#folder }, all, memory);
    for (const adapter of adapters) {
      memory.host.put(adapter);
      model.bank.prefetch(use(adapter));
    }
    return model;
  }

  /** Rank by projection; left out, the adapter doesn't touch it. */
  adapter(digest: string, ranks: Record<string, number>, seed: number, scale = 0.2): FoldedAdapter {
    const deltas = new Map<string, FoldedDelta>();
    for (const [i, { name, projection, inFeatures, outFeatures }] of linearModules(this.checkpoint.config).entries()) {
      const rank = ranks[projection];
      if (rank === undefined) continue;
      const a = random(rank * inFeatures, seed * 1000 + 2 * i, scale);
      const b = random(rank * outFeatures, seed * 1000 + 2 * i + 1, scale);
      deltas.set(name, { rank, inFeatures, outFeatures, a, b });
    }
    return foldedAdapter(digest, deltas);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

export function use({ digest, rank }: FoldedAdapter, weight = 1): AdapterUse {
  return {
    digest,
    weight,
    rank,
    configFile: '/nowhere/adapter_config.json',
    weightsFile: '/nowhere/adapter.safetensors',
  };
}

/** All but lm_head. */
export function everyLinear(rank: number): Record<string, number> {
  return Object.fromEntries(
    ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'].map((name) => [name, rank]),
  );
}

/** w · s·B·A, [out, in]: the naive product. */
export function dense({ rank, inFeatures, outFeatures, a, b }: FoldedDelta, weight = 1): Float32Array {
  const sum = new Float32Array(outFeatures * inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    for (let i = 0; i < inFeatures; i++) {
      let product = 0;
      for (let r = 0; r < rank; r++) product += b[r * outFeatures + out]! * a[r * inFeatures + i]!;
      sum[out * inFeatures + i] = weight * product;
    }
  }
  return sum;
}
