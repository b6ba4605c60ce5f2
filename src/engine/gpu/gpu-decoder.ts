/** A decoder session on the GPU: its weights are inputs, its cache is a pool, and the whole of it runs on the device. */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { encodeDecoderGraph } from '../../graph/decoder-graph.js';
import type { Session } from '../ort.js';
import type { GpuDevice } from './gpu-device.js';

export function gpuDecoder(
  device: GpuDevice,
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  lora: 'shared' | 'none',
): Promise<Session> {
  const graph = encodeDecoderGraph(config, tensors, {
    lora,
    weights: 'inputs',
    cache: 'pool',
    floatType: device.floatType,
  });
  return device.load(graph, { wholeGraphOnDevice: true });
}
