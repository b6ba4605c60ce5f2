/**
 * Quantises the linears of a checkpoint into a file, a few rows at a time: neither the checkpoint nor a whole weight is
 * ever in memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { MissingTensorError, UnsupportedQuantizationError } from '../../errors/models.js';
import { EMBEDDING } from '../checkpoint/expected-tensors.js';
import { linearModules, type LinearModule } from '../checkpoint/modules.js';
import type { Checkpoint } from '../checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../checkpoint/tensor-location.js';
import { TensorReader } from '../checkpoint/tensor-reader.js';
import { layOut } from '../safetensors/layout.js';
import { quantizeWeight } from './quantize-weight.js';
import { PARTS, QUANTIZATION_KEY, quantizedTensors } from './quantized-file.js';
import { schemeOf, type Quantization } from './scheme.js';

/** Weights that are in memory at once. */
const CHUNK_WEIGHTS = 4 * 1024 * 1024;

/** The tensor that a linear's weight is read from: a tied lm_head has none of its own. */
export function sourceTensor({ config }: Pick<Checkpoint, 'config'>, { name, projection }: LinearModule): string {
  return projection === 'lm_head' && config.tiedEmbeddings ? EMBEDDING : `${name}.weight`;
}

/** Bytes of the checkpoint that quantising reads. */
export function bytesToQuantize({ config, tensors }: Pick<Checkpoint, 'config' | 'tensors'>): number {
  const read = linearModules(config).map((module) => tensors.get(sourceTensor({ config }, module)));
  return read.reduce((sum, tensor) => sum + (tensor ? tensor.end - tensor.begin : 0), 0);
}

/** `onBytes`: told of each piece of the checkpoint that was read. */
export async function writeQuantized(
  checkpoint: Pick<Checkpoint, 'folder' | 'config' | 'tensors'>,
  quantization: Quantization,
  file: string,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const tensors = quantizedTensors(checkpoint.config, quantization);
  const { header, begins } = layOut(tensors, { [QUANTIZATION_KEY]: quantization });
  const reader = new TensorReader(checkpoint.folder);
  const target = await open(file, 'wx');
  try {
    await write(target, header, 0);
    for (const module of linearModules(checkpoint.config)) {
      const source = checkpoint.tensors.get(sourceTensor(checkpoint, module));
      if (source === undefined) throw new MissingTensorError(module.name, [module.outFeatures, module.inFeatures]);
      await quantizeModule(module, { reader, source, target, begins, quantization, onBytes });
    }
  } finally {
    await target.close();
    await reader.close();
  }
}

interface Streams {
  reader: TensorReader;
  source: TensorLocation;
  target: FileHandle;
  /** First byte of each tensor of the target. */
  begins: ReadonlyMap<string, number>;
  quantization: Quantization;
  onBytes?: (bytes: number) => void;
}

async function quantizeModule(module: LinearModule, streams: Streams): Promise<void> {
  const { name, outFeatures, inFeatures } = module;
  const { reader, source, target, begins, quantization, onBytes } = streams;
  const scheme = schemeOf(quantization, module.projection);
  const elementBytes = (source.end - source.begin) / (outFeatures * inFeatures);
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK_WEIGHTS / inFeatures));
  const written = { packed: 0, scales: 0, zeroPoints: 0 };
  for (let row = 0; row < outFeatures; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, outFeatures - row);
    const dense = new Float32Array(rows * inFeatures);
    await reader.readFloat32(source, dense, row * inFeatures);
    if (!dense.every(Number.isFinite)) {
      throw new UnsupportedQuantizationError(quantization, `the weight of "${name}" has values that are not finite`);
    }
    const weight = quantizeWeight(dense, [rows, inFeatures], scheme);
    for (const { name: nameOf, part } of PARTS) {
      const begin = begins.get(nameOf(name));
      if (begin === undefined) continue; // No zero points.
      const { buffer } = weight[part];
      await write(target, new Uint8Array(buffer), begin + written[part]);
      written[part] += buffer.byteLength;
    }
    onBytes?.(dense.length * elementBytes);
  }
}

async function write(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
