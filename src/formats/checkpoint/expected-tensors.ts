import type { ModelConfig } from './model-config.js';
import { hasBias, linearModules } from './modules.js';

export const EMBEDDING = 'model.embed_tokens.weight';
export const LM_HEAD = 'lm_head.weight';

/** Every tensor that a checkpoint of this config has, and its shape. A tied lm_head is the embedding and has none. */
export function expectedTensors(config: ModelConfig): Map<string, readonly number[]> {
  const { hiddenSize, headDim } = config;
  const tensors = new Map<string, readonly number[]>();
  tensors.set(EMBEDDING, [config.vocabSize, hiddenSize]);
  for (const { name, projection, inFeatures, outFeatures } of linearModules(config)) {
    if (projection === 'lm_head') {
      if (!config.tiedEmbeddings) tensors.set(LM_HEAD, [outFeatures, inFeatures]);
      continue;
    }
    tensors.set(`${name}.weight`, [outFeatures, inFeatures]);
    if (hasBias(config, projection)) tensors.set(`${name}.bias`, [outFeatures]);
  }
  for (let layer = 0; layer < config.layers; layer++) {
    const scope = `model.layers.${layer}`;
    tensors.set(`${scope}.input_layernorm.weight`, [hiddenSize]);
    tensors.set(`${scope}.post_attention_layernorm.weight`, [hiddenSize]);
    if (config.qkNorm) {
      tensors.set(`${scope}.self_attn.q_norm.weight`, [headDim]);
      tensors.set(`${scope}.self_attn.k_norm.weight`, [headDim]);
    }
  }
  tensors.set('model.norm.weight', [hiddenSize]);
  return tensors;
}
