import { expectedTensors } from '../checkpoint/expected-tensors.js';
import type { ModelConfig } from '../checkpoint/model-config.js';
import { linearModules } from '../checkpoint/modules.js';
import { quantizedBytes, schemeOf, type Quantization } from './scheme.js';

/** Bytes that a model's weights take once loaded: quantised linears as they are stored, all else in float32. */
export function loadedWeightBytes(config: ModelConfig, quantization: Quantization | null): number {
  const tensors = expectedTensors(config);
  let bytes = 0;
  if (quantization !== null) {
    for (const { name, projection, outFeatures, inFeatures } of linearModules(config)) {
      tensors.delete(`${name}.weight`);
      bytes += quantizedBytes(outFeatures, inFeatures, schemeOf(quantization, projection));
    }
  }
  for (const shape of tensors.values()) bytes += shape.reduce((product, size) => product * size, 4);
  return bytes;
}
