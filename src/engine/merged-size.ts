/** What a merged lane takes on the CPU, before one is made: every linear as float32, and the embedding. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules } from '../formats/checkpoint/modules.js';

export function mergedLaneBytes(config: ModelConfig): number {
  const linears = linearModules(config).reduce((sum, module) => sum + module.inFeatures * module.outFeatures, 0);
  return (linears + config.vocabSize * config.hiddenSize) * Float32Array.BYTES_PER_ELEMENT;
}
