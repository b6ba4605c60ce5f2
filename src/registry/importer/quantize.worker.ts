/** Quantises the weights of an imported folder in a thread of its own, into a file beside them. */
import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import type { MessagePort } from 'node:worker_threads';
import { EspalierError, type ErrorShape } from '../../errors/espalier-error.js';
import { explainWriteError } from '../../errors/storage.js';
import { sha256Of, type HashedFile } from '../../formats/checkpoint/file-stamps.js';
import { readCheckpoint } from '../../formats/checkpoint/read-checkpoint.js';
import { QUANTIZED_FILE } from '../../formats/quantization/quantized-file.js';
import type { Quantization } from '../../formats/quantization/scheme.js';
import { writeQuantized } from '../../formats/quantization/write-quantized.js';

export interface QuantizeTask {
  folder: string;
  quantization: Quantization;
  /** Is told, in bytes, of each piece of the checkpoint that was read. */
  progress: MessagePort;
}

/** An error's class and fields don't survive the way between threads; its shape does. */
export type QuantizeAnswer = { file: HashedFile } | { error: ErrorShape };

export default async function quantize({ folder, quantization, progress }: QuantizeTask): Promise<QuantizeAnswer> {
  const file = join(folder, QUANTIZED_FILE);
  try {
    await writeQuantized(await readCheckpoint(folder), quantization, file, (bytes) => progress.postMessage(bytes));
    const { size } = await stat(file);
    return { file: { name: QUANTIZED_FILE, bytes: size, sha256: await sha256Of(file) } };
  } catch (error) {
    const known = explainWriteError('the model', error);
    if (known instanceof EspalierError) return { error: known.toShape() };
    throw error;
  } finally {
    progress.close();
  }
}
