/**
 * Quantises the linears of a checkpoint into a file, a few rows at a time: neither the checkpoint nor a whole weight is
 * ever in memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { MissingTensorError, UnsupportedQuantizationError } from '../../errors.js';
import { EMBEDDING } from '../checkpoint/expected-tensors.js';
import { linearModules, type LinearModule } from '../checkpoint/modules.js';
import type { Checkpoint } from '../checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../checkpoint/tensor-location.js';
import { layOut } from '../safetensors/layout.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import { quantizeWeight } from './quantize-weight.js';
import { packedName, QUANTIZATION_KEY, quantizedTensors, scalesName, zeroPointsName } from './quantized-file.js';
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
  const sources = new Map<string, SafetensorsFile>();
  const target = await open(file, 'wx');
  try {
    await write(target, header, 0);
    for (const module of linearModules(checkpoint.config)) {
      const tensor = sourceTensor(checkpoint, module);
      const location = checkpoint.tensors.get(tensor);
      if (location === undefined) throw new MissingTensorError(tensor, [module.outFeatures, module.inFeatures]);
      const shard = location.file;
      const source = sources.get(shard) ?? (await SafetensorsFile.open(join(checkpoint.folder, shard)));
      sources.set(shard, source);
      const elementBytes = (location.end - location.begin) / (module.outFeatures * module.inFeatures);
      await quantizeModule(module, {
        source,
        tensor: nameOf(location, source),
        elementBytes,
        target,
        begins,
        quantization,
        onBytes,
      });
    }
  } finally {
    await target.close();
    for (const source of sources.values()) await source.close();
  }
}

/** A tied matrix may be stored under either of its two names. */
function nameOf({ begin }: TensorLocation, source: SafetensorsFile): string {
  // The location is of this file.
  return [...source.tensors.values()].find((tensor) => tensor.begin === begin)?.name ?? '';
}

interface Streams {
  source: SafetensorsFile;
  tensor: string;
  /** Of the source. */
  elementBytes: number;
  target: FileHandle;
  /** First byte of each tensor of the target. */
  begins: ReadonlyMap<string, number>;
  quantization: Quantization;
  onBytes?: (bytes: number) => void;
}

async function quantizeModule(module: LinearModule, streams: Streams): Promise<void> {
  const { name, outFeatures, inFeatures } = module;
  const { source, tensor, elementBytes, target, begins, quantization, onBytes } = streams;
  const scheme = schemeOf(quantization, module.projection);
  const written = { packed: 0, scales: 0, zeroPoints: 0 };
  const append = async (part: keyof typeof written, bytes: Uint8Array, tensorName: string): Promise<void> => {
    if (bytes.length === 0) return;
    // Every part that has bytes is in the layout.
    await write(target, bytes, (begins.get(tensorName) as number) + written[part]);
    written[part] += bytes.length;
  };
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK_WEIGHTS / inFeatures));
  for (let row = 0; row < outFeatures; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, outFeatures - row);
    const dense = await source.readFloat32(tensor, row * inFeatures, rows * inFeatures);
    if (!dense.every(Number.isFinite)) {
      throw new UnsupportedQuantizationError(quantization, `"${tensor}" has values that are not finite`);
    }
    const { packed, scales, zeroPoints } = quantizeWeight(dense, [rows, inFeatures], scheme);
    await append('packed', packed, packedName(name));
    await append('scales', new Uint8Array(scales.buffer), scalesName(name));
    await append('zeroPoints', zeroPoints, zeroPointsName(name));
    onBytes?.(dense.length * elementBytes);
  }
}

async function write(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
