/** A model as it is once everything that makes it faster has been done. */
import { join } from 'node:path';
import { LoadedModel } from '../../src/engine/loaded-model.js';
import type { EngineLimits, ModelSource } from '../../src/engine/protocol.js';

/** `folder`: for what is kept of it. */
export async function wholeModel(source: ModelSource, limits: EngineLimits, folder: string): Promise<LoadedModel> {
  const model = await LoadedModel.load(source, { ...limits, packedFolder: join(folder, 'packed') });
  if (model.drawback !== undefined) throw new Error(model.drawback);
  while (await model.prepare()) continue;
  return model;
}
