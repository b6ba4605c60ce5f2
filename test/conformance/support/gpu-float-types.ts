/**
 * The float types in which a GPU is tried: float32 with ESPALIER_TEST_WEBGPU=1, float16 with ESPALIER_TEST_WEBGPU=float16,
 * for drivers whose shaders have it (.ci/lavapipe.sh).
 */
import { EngineDevice } from '../../../src/engine/engine-device.js';
import { GpuModel } from '../../../src/engine/gpu/gpu-model.js';
import { loadModel } from '../../../src/engine/load-model.js';
import { EngineMemory } from '../../../src/engine/loaded-model.js';
import type { EngineLimits, ModelSource } from '../../../src/engine/protocol.js';
import type { FloatType } from '../../../src/graph/graph-options.js';

const WEBGPU = process.env.ESPALIER_TEST_WEBGPU;

export const GPU_FLOAT_TYPES: readonly FloatType[] =
  WEBGPU === 'float16' ? ['float16'] : WEBGPU === '1' ? ['float32'] : [];

export interface OnGpu {
  model: GpuModel;
  memory: EngineMemory;
  close: () => Promise<void>;
}

/** Without the probe, which is a process of the built service: the driver is known to be there. */
export async function loadOnGpu(
  source: ModelSource,
  limits: EngineLimits,
  floatType: FloatType,
  device = new EngineDevice(
    'webgpu',
    () => Promise.resolve({ usable: true, software: true, float16: true }),
    floatType,
  ),
): Promise<OnGpu> {
  const memory = new EngineMemory(limits, undefined, device);
  const model = await loadModel(source, limits, memory);
  if (!(model instanceof GpuModel)) throw new Error('the model is not on a GPU');
  return {
    model,
    memory,
    close: async () => {
      await model.release();
      expect(memory.device.gpuBytes).toBe(0);
      await memory.device.release();
    },
  };
}
