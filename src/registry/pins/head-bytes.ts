/** What an adapter takes in host memory: A and B of each module in float32, with whatever type they were pushed. */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { linearModules } from '../../formats/checkpoint/modules.js';

/** `targets`: ranks by PEFT module name. */
export function foldedBytes(config: ModelConfig, targets: Readonly<Record<string, { rank: number }>>): number {
  return linearModules(config).reduce((sum, { name, inFeatures, outFeatures }) => {
    const rank = targets[name]?.rank ?? 0;
    return sum + rank * (inFeatures + outFeatures) * Float32Array.BYTES_PER_ELEMENT;
  }, 0);
}
