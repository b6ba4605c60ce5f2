/** Which safetensors files a checkpoint has, and which tensor lies in which: one file, or shards with an index. */
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidFileError } from '../../errors/files.js';
import { readJsonFile, shorten } from '../json.js';
import { QUANTIZED_FILE } from '../quantization/quantized-file.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import type { TensorEntry } from '../safetensors/header.js';
import { fileExists } from './file-exists.js';

const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';
const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/** One path segment, so that it can't lead out of the folder. */
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/;

const index = z.object({ weight_map: z.record(z.string(), z.string()) });

export interface StoredTensor extends TensorEntry {
  /** File name inside the folder. */
  file: string;
}

export interface WeightFiles {
  files: string[];
  tensors: Map<string, StoredTensor>;
}

/** Reads the headers only. Where there are both, the single file wins, as in transformers. */
export async function readWeightFiles(folder: string): Promise<WeightFiles> {
  if (await fileExists(join(folder, SINGLE_FILE))) {
    const tensors = new Map<string, StoredTensor>();
    for (const tensor of await header(folder, SINGLE_FILE)) tensors.set(tensor.name, { ...tensor, file: SINGLE_FILE });
    return { files: [SINGLE_FILE], tensors };
  }
  if (await fileExists(join(folder, INDEX_FILE))) return readShards(folder);
  throw new InvalidFileError(
    SINGLE_FILE,
    `is missing, and so is ${INDEX_FILE}. Save the checkpoint as safetensors: save_pretrained(folder, safe_serialization=True)`,
  );
}

async function readShards(folder: string): Promise<WeightFiles> {
  const json = await readJsonFile(join(folder, INDEX_FILE), { name: INDEX_FILE, maxBytes: MAX_INDEX_BYTES });
  const parsed = index.safeParse(json);
  if (!parsed.success) throw new InvalidFileError(INDEX_FILE, 'has no weight_map from tensor to file name');
  const map = Object.entries(parsed.data.weight_map);
  const files = [...new Set(map.map(([, file]) => file))].sort();
  const escaping = files.find((file) => !PLAIN_NAME.test(file));
  if (escaping !== undefined) {
    const quoted = JSON.stringify(shorten(escaping));
    throw new InvalidFileError(INDEX_FILE, `names ${quoted}, which is not the plain name of a .safetensors file`);
  }
  if (files.includes(QUANTIZED_FILE)) throw new InvalidFileError(INDEX_FILE, `names ${QUANTIZED_FILE}, which is ours`);
  const shards = new Map<string, Map<string, TensorEntry>>();
  for (const file of files) {
    const tensors = await header(folder, file);
    shards.set(file, new Map(tensors.map((tensor) => [tensor.name, tensor])));
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, file] of map) {
    const tensor = shards.get(file)?.get(name);
    if (tensor === undefined) {
      const quoted = JSON.stringify(shorten(name));
      throw new InvalidFileError(INDEX_FILE, `says that ${file} has the tensor ${quoted}, but it has not`);
    }
    tensors.set(name, { ...tensor, file });
  }
  return { files, tensors };
}

async function header(folder: string, name: string): Promise<TensorEntry[]> {
  const file = await SafetensorsFile.open(join(folder, name), name);
  await file.close();
  return [...file.tensors.values()];
}
