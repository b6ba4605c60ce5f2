/** Loads a base model onto the device that the engine process runs on. */
import { GpuModel } from './gpu/gpu-model.js';
import { type EngineMemory, LoadedModel } from './loaded-model.js';
import type { EngineLimits, ModelSource } from './protocol.js';
import type { ServedModel } from './served-model.js';

export async function loadModel(source: ModelSource, limits: EngineLimits, memory: EngineMemory): Promise<ServedModel> {
  const device = await memory.device.choose();
  if (device.kind === 'webgpu') return GpuModel.load(source, limits, memory, device.gpu);
  return LoadedModel.load(source, limits, memory);
}
