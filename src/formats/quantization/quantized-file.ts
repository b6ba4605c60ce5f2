/**
 * The quantised weights of a model: a safetensors file of ours beside the checkpoint, which the graph points into. Of each
 * linear it has three tensors, or two: see `quantize-weight.ts` for what they hold.
 */
import type { ModelConfig } from '../checkpoint/model-config.js';
import { linearModules } from '../checkpoint/modules.js';
import type { TensorShape } from '../safetensors/layout.js';
import type { TensorLocation } from '../checkpoint/tensor-location.js';
import { BLOCK, schemeOf, sizesOf, type Quantization, type Scheme } from './scheme.js';

/** No shard of a checkpoint may have this name. */
export const QUANTIZED_FILE = 'espalier-quantized.safetensors';

export const packedName = (module: string): string => `${module}.weight.packed`;
export const scalesName = (module: string): string => `${module}.weight.scales`;
export const isScalesName = (tensor: string): boolean => tensor.endsWith('.weight.scales');
export const zeroPointsName = (module: string): string => `${module}.weight.zero_points`;

/** Key of the file's metadata. */
export const QUANTIZATION_KEY = 'quantization';

/** Every tensor of the file, in its order: the scales first, so that all are aligned. */
export function quantizedTensors(config: ModelConfig, quantization: Quantization): TensorShape[] {
  const modules = linearModules(config).map(({ name, projection, inFeatures, outFeatures }) => ({
    name,
    outFeatures,
    ...sizesOf(inFeatures, schemeOf(quantization, projection)),
  }));
  const scales = modules.map(({ name, outFeatures, blocks }): TensorShape => {
    return { name: scalesName(name), dtype: 'F32', shape: [outFeatures, blocks] };
  });
  const packed = modules.map(({ name, outFeatures, blocks, blockBytes }): TensorShape => {
    return { name: packedName(name), dtype: 'U8', shape: [outFeatures, blocks, blockBytes] };
  });
  const zeroPoints = modules.map(({ name, outFeatures, zeroPointBytes }): TensorShape => {
    return { name: zeroPointsName(name), dtype: 'U8', shape: [outFeatures, zeroPointBytes] };
  });
  return [...scales, ...packed, ...zeroPoints.filter(({ shape }) => shape[1] !== 0)];
}

export const isQuantizedIn = (tensors: ReadonlyMap<string, TensorLocation>, module: string): boolean =>
  tensors.has(packedName(module));

/** How the weight of a linear is quantised among `tensors`; null where it isn't. */
export function storedScheme(tensors: ReadonlyMap<string, TensorLocation>, module: string): Scheme | null {
  const packed = tensors.get(packedName(module));
  if (packed === undefined) return null;
  return { bits: packed.shape[2] === BLOCK ? 8 : 4, zeroPoints: tensors.has(zeroPointsName(module)) };
}

/** The parts of a quantised weight: their names, and what of `quantizeWeight`'s they hold. */
export const PARTS = [
  { name: packedName, part: 'packed' },
  { name: scalesName, part: 'scales' },
  { name: zeroPointsName, part: 'zeroPoints' },
] as const;
