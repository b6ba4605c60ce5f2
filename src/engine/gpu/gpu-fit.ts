/** Whether a model fits into the GPU's memory, before anything of it is loaded. The runtime can't say how much there is. */
import { GpuMemoryExceededError } from '../../errors.js';
import type { TensorLocation } from '../../formats/checkpoint/tensor-location.js';
import type { EngineLimits } from '../protocol.js';
import type { GpuDevice } from './gpu-device.js';

/** As float32, whatever the checkpoint stores. */
export function assertFits(
  tensors: ReadonlyMap<string, TensorLocation>,
  { ledger }: Pick<GpuDevice, 'ledger'>,
  {
    gpuBudgetBytes: budget = null,
    gpuTensorBytes: tensorLimit = null,
  }: Pick<EngineLimits, 'gpuBudgetBytes' | 'gpuTensorBytes'>,
): void {
  const sizes = [...tensors.values()].map(({ shape }) => 4 * shape.reduce((product, size) => product * size, 1));
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
