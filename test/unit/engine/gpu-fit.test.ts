import { GpuMemoryExceededError } from '../../../src/errors/gpu.js';
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
  // What counts is the type in which it is fed.
  ['b', tensor(5, 'BF16')],
]);
const device = { ledger: new GpuLedger(), floatType: 'float32' as const };

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

test('in float16 a matrix takes half, a vector and a quantised weight what they took', () => {
  const narrow = { ...device, floatType: 'float16' as const };
  const parts = new Map<string, TensorLocation>([
    ...MODEL,
    ['norm.weight', { ...tensor(2), shape: [MB / 2] }],
    ['q.weight.packed', { ...tensor(1, 'U8'), shape: [MB, 1, 1] }],
    ['q.weight.scales', { ...tensor(1), shape: [MB / 4, 1] }],
  ]);
  assertFits(parts, narrow, { gpuBudgetBytes: 8 * MB, gpuTensorBytes: 2.5 * MB });
  expect(() => assertFits(parts, narrow, { gpuBudgetBytes: 8 * MB - 1 })).toThrow(/weights take 8 MB/);
  expect(() => assertFits(parts, narrow, { gpuTensorBytes: 2.5 * MB - 1 })).toThrow(/largest tensor takes 3 MB/);
});
