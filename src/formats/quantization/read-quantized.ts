/** What a model's file of quantised weights holds, checked against the config. No weight is read. */
import { join } from 'node:path';
import { InvalidFileError } from '../../errors/files.js';
import { fileExists } from '../checkpoint/file-exists.js';
import type { ModelConfig } from '../checkpoint/model-config.js';
import type { TensorLocation } from '../checkpoint/tensor-location.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import { QUANTIZATION_KEY, QUANTIZED_FILE, quantizedTensors } from './quantized-file.js';
import { isQuantization, type Quantization } from './scheme.js';

export interface QuantizedWeights {
  quantization: Quantization;
  /** The parts of each weight, under the names of `quantized-file.ts`. */
  tensors: ReadonlyMap<string, TensorLocation>;
}

/** Null for a model that isn't quantised. */
export async function readQuantized(folder: string, config: ModelConfig): Promise<QuantizedWeights | null> {
  if (!(await fileExists(join(folder, QUANTIZED_FILE)))) return null;
  const file = await SafetensorsFile.open(join(folder, QUANTIZED_FILE), QUANTIZED_FILE);
  await file.close();
  const quantization = file.metadata[QUANTIZATION_KEY];
  if (!isQuantization(quantization)) {
    throw new InvalidFileError(QUANTIZED_FILE, 'does not say how it is quantised: import the model again');
  }
  const tensors = new Map<string, TensorLocation>();
  for (const { name, dtype, shape } of quantizedTensors(config, quantization)) {
    const found = file.tensors.get(name);
    if (found?.dtype !== dtype || found.shape.join() !== shape.join()) {
      throw new InvalidFileError(
        QUANTIZED_FILE,
        `has no ${JSON.stringify(name)} of [${shape.join(', ')}] ${dtype}: import the model again`,
      );
    }
    tensors.set(name, { file: QUANTIZED_FILE, dtype, shape, begin: found.begin, end: found.end });
  }
  return { quantization, tensors };
}
