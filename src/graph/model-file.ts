import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { encodeModel } from '../formats/onnx/model.js';
import { buildDecoderGraph } from './decoder-graph.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';

/** The file lies beside the safetensors that it points into: the runtime reads external data from its own folder only. */
export const MODEL_FILE = 'model.onnx';

/** Writes the graph of the checkpoint in `folder`, and returns the file's path. */
export async function writeModelGraph(
  folder: string,
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
): Promise<string> {
  const file = join(folder, MODEL_FILE);
  await writeFile(file, encodeModel(buildDecoderGraph(config, tensors)));
  return file;
}
