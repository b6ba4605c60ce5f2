/** Whether a model fits into the GPU's memory, before anything of it is loaded. The runtime can't say how much there is. */
import { GpuMemoryExceededError } from '../../errors/gpu.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import { inputType } from '../../graph/weights.js';
import type { EngineLimits } from '../protocol.js';
import type { GpuDevice } from './gpu-device.js';
import { tensorBytes } from './gpu-tensor.js';

/** As they are fed, whatever the checkpoint stores. */
export function assertFits(
  tensors: ReadonlyMap<string, TensorLocation>,
  { ledger, floatType }: Pick<GpuDevice, 'ledger' | 'floatType'>,
  {
    gpuBudgetBytes: budget = null,
    gpuTensorBytes: tensorLimit = null,
  }: Pick<EngineLimits, 'gpuBudgetBytes' | 'gpuTensorBytes'>,
): void {
  const sizes = [...tensors].map(([name, tensor]) => tensorBytes(inputType(name, tensor, floatType), tensor.shape));
  const need = {
    weights: sizes.reduce((sum, size) => sum + size, 0),
    largestTensor: Math.max(0, ...sizes),
    inUse: ledger.bytes,
    budget,
    tensorLimit,
  };
  if (need.largestTensor > (tensorLimit ?? Infinity) || need.weights + need.inUse > (budget ?? Infinity)) {
    throw new GpuMemoryExceededError(need);
  }
}
