/** What a merged lane takes of the device's memory at the most, before one is made. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules } from '../formats/checkpoint/modules.js';
import { loadedWeightBytes } from '../formats/quantization/loaded-bytes.js';
import type { Quantization } from '../formats/quantization/scheme.js';
import type { FloatType } from '../graph/graph-options.js';

/** On the CPU: all weights of a model whose lm_head is its own. */
export function mergedLaneBytes(config: ModelConfig, quantization: Quantization | null = null): number {
  return loadedWeightBytes({ ...config, tiedEmbeddings: false }, quantization);
}

/** On a GPU: the linears alone, and never quantised; the rest is the base's. */
export function gpuMergedLaneBytes(config: ModelConfig, floatType: FloatType): number {
  const elementBytes = floatType === 'float16' ? 2 : 4;
  return (
    linearModules(config).reduce((sum, { outFeatures, inFeatures }) => sum + outFeatures * inFeatures, 0) * elementBytes
  );
}
