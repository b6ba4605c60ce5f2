import { GpuMemoryExceededError } from '../../../src/errors.js';
import { assertFits } from '../../../src/engine/gpu/gpu-fit.js';
import { GpuLedger } from '../../../src/engine/gpu/gpu-tensor.js';
import type { TensorLocation } from '../../../src/formats/checkpoint/tensor-location.js';

const MB = 1024 * 1024;
const tensor = (megabytes: number, dtype: TensorLocation['dtype'] = 'F32'): TensorLocation => ({
  file: 'model.safetensors',
  dtype,
  shape: [megabytes, MB / 4],
  begin: 0,
  end: 0,
});
const MODEL = new Map([
  ['a', tensor(3)],
  // Widened: what counts is float32.
  ['b', tensor(5, 'BF16')],
]);
const device = { ledger: new GpuLedger() };

test('a model that just fits is let in, also where no limit is set', () => {
  assertFits(MODEL, device, { gpuBudgetBytes: 8 * MB, gpuTensorBytes: 5 * MB });
  assertFits(MODEL, device, {});
});

test('one that does not is refused with the numbers', () => {
  const refuse = () => assertFits(MODEL, device, { gpuBudgetBytes: 8 * MB - 1, gpuTensorBytes: 5 * MB });
  expect(refuse).toThrow(GpuMemoryExceededError);
  expect(refuse).toThrow(/weights take 8 MB, 0 MB are in use, and ESPALIER_GPU_MB allows 8 MB/);
  expect(() => assertFits(MODEL, device, { gpuTensorBytes: 5 * MB - 1 })).toThrow(/largest tensor takes 5 MB/);
});
