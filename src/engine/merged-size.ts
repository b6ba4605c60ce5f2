/** What a merged lane takes on the CPU, before one is made: all weights of a model whose lm_head is its own. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { loadedWeightBytes } from '../formats/quantization/loaded-bytes.js';
import type { Quantization } from '../formats/quantization/scheme.js';

export function mergedLaneBytes(config: ModelConfig, quantization: Quantization | null = null): number {
  return loadedWeightBytes({ ...config, tiedEmbeddings: false }, quantization);
}
