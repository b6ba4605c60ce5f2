/** A Hugging Face folder → its config, where its tensors lie, and what else belongs to it. No weight is read. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InvalidFileError } from '../../errors/files.js';
import { MissingTensorError, TensorShapeError, UnsupportedConfigError } from '../../errors/models.js';
import { readJsonFile, shorten } from '../json.js';
import { readQuantized } from '../quantization/read-quantized.js';
import type { Quantization } from '../quantization/scheme.js';
import { isWeightDtype, WEIGHT_DTYPES } from '../safetensors/dtype.js';
import { maxDifference } from '../safetensors/compare.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import { EMBEDDING, expectedTensors, LM_HEAD } from './expected-tensors.js';
import { fileExists } from './file-exists.js';
import type { ModelConfig } from './model-config.js';
import { CONFIG_FILE, parseModelConfig } from './parse-model-config.js';
import type { TensorLocation } from './tensor-location.js';
import { INDEX_FILE, readWeightFiles, type StoredTensor } from './weight-files.js';

const MAX_CONFIG_BYTES = 1024 * 1024;

/** What is copied with the weights, where it is there. */
export const OTHER_FILES = [
  CONFIG_FILE,
  INDEX_FILE,
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
];

export interface Checkpoint {
  folder: string;
  config: ModelConfig;
  /** Every tensor that the graph uses, by name; those of quantised weights beside what they were made from. */
  tensors: ReadonlyMap<string, TensorLocation>;
  /** File names in `folder`. */
  weightFiles: string[];
  /** File names in `folder`: config, tokenizer, chat template. */
  otherFiles: string[];
  /** Numbers that the model consists of; a tied lm_head counts once. */
  parameters: number;
  /** Bytes of the checkpoint's tensors as they are stored. */
  weightBytes: number;
  /** How the linears are quantised that the graph uses; null where it uses them as they are. */
  quantization: Quantization | null;
  /** Names that adapters may give as their base: hub id, folder name. */
  origins: string[];
  warnings: string[];
}

export async function readModelConfig(folder: string): Promise<ModelConfig> {
  return parseModelConfig(await readConfigFile(folder));
}

export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const json = await readConfigFile(folder);
  const config = parseModelConfig(json);
  const { files, tensors: stored } = await readWeightFiles(folder);
  await settleTiedHead(folder, config, stored);
  const expected = expectedTensors(config);
  const tensors = new Map<string, TensorLocation>();
  let parameters = 0;
  let weightBytes = 0;
  for (const [name, shape] of expected) {
    const tensor = locate(stored, name, shape);
    tensors.set(name, tensor);
    parameters += tensor.shape.reduce((product, size) => product * size, 1);
    weightBytes += tensor.end - tensor.begin;
  }
  const quantized = await readQuantized(folder, config);
  for (const [name, tensor] of quantized?.tensors ?? []) tensors.set(name, tensor);
  const otherFiles: string[] = [];
  for (const name of OTHER_FILES) if (await fileExists(join(folder, name))) otherFiles.push(name);
  return {
    folder,
    config,
    tensors,
    weightFiles: files,
    otherFiles,
    parameters,
    weightBytes,
    quantization: quantized?.quantization ?? null,
    origins: await findOrigins(folder, json),
    warnings: [...unusedTensors(stored, expected), ...missingTokenizer(otherFiles)],
  };
}

function readConfigFile(folder: string): Promise<unknown> {
  return readJsonFile(join(folder, CONFIG_FILE), { name: CONFIG_FILE, maxBytes: MAX_CONFIG_BYTES });
}

function locate(stored: ReadonlyMap<string, StoredTensor>, name: string, shape: readonly number[]): TensorLocation {
  const tensor = stored.get(name);
  if (tensor === undefined) throw new MissingTensorError(name, shape);
  const { file, dtype, begin, end } = tensor;
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
    throw new TensorShapeError(name, tensor.shape, shape);
  }
  if (!isWeightDtype(dtype)) {
    throw new InvalidFileError(file, `stores "${name}" as ${dtype}; export it as ${WEIGHT_DTYPES.join(', ')}`);
  }
  return { file, dtype, shape, begin, end };
}

/**
 * As transformers does: with tied embeddings, either of the two tensors will do. Where a file has both and they differ,
 * it unties them; a config that says otherwise than the weights is refused here.
 */
async function settleTiedHead(folder: string, config: ModelConfig, stored: Map<string, StoredTensor>): Promise<void> {
  const head = stored.get(LM_HEAD);
  if (!config.tiedEmbeddings || head === undefined) return;
  const embedding = stored.get(EMBEDDING);
  if (embedding === undefined) {
    stored.set(EMBEDDING, head);
  } else if (!(await sameValues(folder, embedding, head))) {
    throw new UnsupportedConfigError(
      'tie_word_embeddings',
      `is true, but the weights have an ${LM_HEAD} that differs from ${EMBEDDING}; set it to false`,
    );
  }
  stored.delete(LM_HEAD);
}

async function sameValues(folder: string, one: StoredTensor, other: StoredTensor): Promise<boolean> {
  const first = await SafetensorsFile.open(join(folder, one.file));
  try {
    const second = await SafetensorsFile.open(join(folder, other.file));
    try {
      return (await maxDifference(first, one.name, second, other.name)) === 0;
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
}

/** The folder's name, or the id that a folder of a hub cache stands for; and what the config says it was loaded from. */
async function findOrigins(folder: string, json: unknown): Promise<string[]> {
  const real = await realpath(folder);
  const [, owner, name] = /^models--(.+?)--(.+)$/.exec(basename(dirname(dirname(real)))) ?? [];
  const origins = [owner === undefined || name === undefined ? basename(real) : `${owner}/${name}`];
  const { _name_or_path: loadedFrom } = json as Record<string, unknown>;
  if (typeof loadedFrom === 'string' && loadedFrom !== '') origins.push(shorten(loadedFrom));
  return [...new Set(origins)];
}

/** Buffers that old checkpoints carry and nothing reads. */
const KNOWN_BUFFERS = /\.(rotary_emb\.inv_freq|masked_bias)$/;

function unusedTensors(stored: ReadonlyMap<string, StoredTensor>, expected: ReadonlyMap<string, unknown>): string[] {
  const unused = [...stored.keys()].filter((name) => !expected.has(name) && !KNOWN_BUFFERS.test(name));
  if (unused.length === 0) return [];
  const shown = unused
    .slice(0, 3)
    .map((name) => shorten(name))
    .join(', ');
  return [`${unused.length} tensors are not part of a model of this config and are ignored: ${shown}, …`];
}

function missingTokenizer(otherFiles: readonly string[]): string[] {
  if (otherFiles.includes('tokenizer.json')) return [];
  return ['There is no tokenizer.json: requests for this model are refused. Import it again with one.'];
}
