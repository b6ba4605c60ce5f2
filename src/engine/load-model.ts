/** Loads a base model onto the device that the engine process runs on. */
import { EngineMemory, LoadedModel } from './loaded-model.js';
import type { EngineLimits, ModelSource } from './protocol.js';
import type { ServedModel } from './served-model.js';

export function loadModel(source: ModelSource, limits: EngineLimits, memory: EngineMemory): Promise<ServedModel> {
  return LoadedModel.load(source, limits, memory);
}
