/**
 * A Hugging Face folder of a shape with random weights, as an import leaves it. No tokenizer:
 * token ids go in and come out.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelSource } from '../../src/engine/protocol.js';
import type { ModelConfig } from '../../src/formats/checkpoint/model-config.js';
import { readCheckpoint } from '../../src/formats/checkpoint/read-checkpoint.js';
import { writeSafetensors, type TensorToWrite } from '../../src/formats/safetensors/write-safetensors.js';
import { RandomNumbers } from './random-numbers.js';
import type { Shape } from './shapes.js';

export interface RandomModel extends ModelSource {
  config: ModelConfig;
}

export async function writeRandomModel(folder: string, shape: Shape, maxPositions = 2048): Promise<RandomModel> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(shape, maxPositions), null, 2));
  await writeSafetensors(join(folder, 'model.safetensors'), tensorsOf(shape), { format: 'pt' });
  const { config } = await readCheckpoint(folder);
  return { digest: `random ${shape.name}`, folder, config };
}

function configOf(shape: Shape, maxPositions: number): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    vocab_size: shape.vocab,
    max_position_embeddings: maxPositions,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: 0,
    eos_token_id: 0,
    torch_dtype: 'float32',
  };
}

function tensorsOf(shape: Shape): TensorToWrite[] {
  const { hidden, intermediate, layers, heads, kvHeads, headDim, vocab } = shape;
  // All weights are windows of one pool: on disk and in the session each is there, here they take its room once.
  const largest = Math.max(vocab, intermediate) * hidden;
  const pool = new RandomNumbers(1).fill(2 * largest, 0.035);
  const ones = new Float32Array(hidden).fill(1);
  let offset = 0;
  const weight = (name: string, out: number, inward: number): TensorToWrite => {
    offset = (offset + 7919) % largest;
    const data = pool.subarray(offset, offset + out * inward);
    return { name: `model.${name}.weight`, dtype: 'F32', shape: [out, inward], data };
  };
  const norm = (name: string): TensorToWrite => ({
    name: `model.${name}.weight`,
    dtype: 'F32',
    shape: [hidden],
    data: ones,
  });
  const tensors = [weight('embed_tokens', vocab, hidden), norm('norm')];
  for (let i = 0; i < layers; i++) {
    const layer = `layers.${i}`;
    tensors.push(
      norm(`${layer}.input_layernorm`),
      norm(`${layer}.post_attention_layernorm`),
      weight(`${layer}.self_attn.q_proj`, heads * headDim, hidden),
      weight(`${layer}.self_attn.k_proj`, kvHeads * headDim, hidden),
      weight(`${layer}.self_attn.v_proj`, kvHeads * headDim, hidden),
      weight(`${layer}.self_attn.o_proj`, hidden, heads * headDim),
      weight(`${layer}.mlp.gate_proj`, intermediate, hidden),
      weight(`${layer}.mlp.up_proj`, intermediate, hidden),
      weight(`${layer}.mlp.down_proj`, hidden, intermediate),
    );
  }
  return tensors;
}
