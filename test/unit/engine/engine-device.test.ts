/** Which device is chosen; the choice of a real GPU is left to the conformance suite. */
import { EngineDevice } from '../../../src/engine/engine-device.js';
import type { GpuProbe } from '../../../src/engine/gpu/probe-gpu.js';

const finds = (probe: GpuProbe) => () => Promise.resolve(probe);

test.each(['cpu', 'cuda'] as const)('%s is taken at its word, untried', async (choice) => {
  const device = new EngineDevice(choice, () => Promise.reject(new Error('not to be tried')));
  expect(device.kind).toBeNull();
  expect(await device.choose()).toEqual({ kind: choice });
  expect(device.kind).toBe(choice);
});

test.each<GpuProbe>([
  { usable: false, reason: 'no driver' },
  { usable: true, software: true, float16: true },
  { usable: true, software: null, float16: true },
])('auto is the CPU where %j', async (probe) => {
  expect(await new EngineDevice('auto', finds(probe)).choose()).toEqual({ kind: 'cpu' });
});

test('webgpu without a GPU says why, and may find one later', async () => {
  const device = new EngineDevice('webgpu', finds({ usable: false, reason: 'the driver went away' }));
  await expect(device.choose()).rejects.toMatchObject({
    code: 'gpu_unavailable',
    status: 503,
    message: expect.stringContaining('the driver went away') as string,
  });
  expect(device.kind).toBeNull();
});

test('float16 that the GPU has not is refused, and may be found later', async () => {
  const device = new EngineDevice('webgpu', finds({ usable: true, software: false, float16: false }), 'float16');
  await expect(device.choose()).rejects.toMatchObject({
    code: 'gpu_dtype_unavailable',
    status: 503,
    message: expect.stringContaining('ESPALIER_GPU_DTYPE=float32') as string,
  });
  expect(device.kind).toBeNull();
  expect(device.dtype).toBe('float32');
});
