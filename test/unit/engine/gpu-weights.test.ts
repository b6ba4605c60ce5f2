/** How a checkpoint's tensors are fed to a GPU; that they compute the right thing is left to the conformance suite. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Float16ExceededError } from '../../../src/errors/gpu.js';
import { readAsFed } from '../../../src/engine/gpu/gpu-weights.js';
import type { TensorLocation } from '../../../src/formats/checkpoint/tensor-location.js';
import { TensorReader } from '../../../src/formats/checkpoint/tensor-reader.js';
import { encodeF16 } from '../../../src/formats/safetensors/half.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';

const VALUES = Float32Array.of(1, -0.1, 3e-6, 65504, 0, 1 / 3);

let folder: string;
let reader: TensorReader;
const tensors = new Map<string, TensorLocation>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-fed-'));
  const path = join(folder, 'model.safetensors');
  const tooLarge = Float32Array.from(VALUES, (value, i) => (i === 3 ? 65520 : value));
  await writeSafetensors(path, [
    { name: 'f32.weight', dtype: 'F32', shape: [2, 3], data: VALUES },
    { name: 'f16.weight', dtype: 'F16', shape: [2, 3], data: VALUES },
    { name: 'norm.weight', dtype: 'F16', shape: [6], data: VALUES },
    { name: 'q.weight.scales', dtype: 'F32', shape: [2, 3], data: VALUES },
    { name: 'large.weight', dtype: 'F32', shape: [2, 3], data: tooLarge },
  ]);
  const file = await SafetensorsFile.open(path);
  for (const [name, { dtype, shape, begin, end }] of file.tensors) {
    tensors.set(name, { file: 'model.safetensors', dtype: dtype as 'F32', shape, begin, end });
  }
  await file.close();
  reader = new TensorReader(folder);
});
afterAll(async () => {
  await reader.close();
  await rm(folder, { recursive: true });
});

const fed = (name: string, floatType: 'float32' | 'float16') => readAsFed(reader, name, tensors.get(name)!, floatType);

test.each(['f32.weight', 'f16.weight'])('%s is fed as float16, rounded to the nearest', async (name) => {
  expect(await fed(name, 'float16')).toEqual(encodeF16(VALUES));
});

test.each(['norm.weight', 'q.weight.scales'])('%s is fed as float32 in any case', async (name) => {
  const values = await fed(name, 'float16');
  expect(values).toBeInstanceOf(Float32Array);
  expect(values).toEqual(await fed(name, 'float32'));
});

test('a weight beyond float16 is refused by name, and is fine in float32', async () => {
  await expect(fed('large.weight', 'float16')).rejects.toThrow(Float16ExceededError);
  await expect(fed('large.weight', 'float16')).rejects.toThrow(/large\.weight has values beyond ±65504/);
  expect((await fed('large.weight', 'float32'))[3]).toBe(65520);
});
