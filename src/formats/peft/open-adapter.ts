/**
 * A PEFT folder's two files, opened: config, keys and shapes are checked against the base model that it is for, and
 * tensors are read when they are asked for, module by module, or in parts.
 */
import { AdapterBaseMismatchError, InvalidAdapterTensorError } from '../../errors/adapters.js';
import type { LowRankDelta } from '../../lowrank/delta.js';
import type { ModelConfig } from '../checkpoint/model-config.js';
import { linearModules } from '../checkpoint/modules.js';
import { readJsonFile, shorten } from '../json.js';
import { isWeightDtype, WEIGHT_DTYPES } from '../safetensors/dtype.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import { ADAPTER_CONFIG_FILE, parseAdapterConfig, type AdapterConfig } from './adapter-config.js';
import { adapterKey, sortKeys } from './adapter-keys.js';
import { checkRange } from './delta-checks.js';
import { type Target, targetModules } from './target-modules.js';

export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';
const MAX_CONFIG_BYTES = 1024 * 1024;

export interface AdapterFiles {
  /** Path of adapter_config.json, whatever it is called there. */
  configFile: string;
  /** Path of adapter_model.safetensors. */
  weightsFile: string;
}

export interface AdapterBase {
  config: ModelConfig;
  /** Names that an adapter may give as its base: hub id, folder name, name in the registry. */
  origins: readonly string[];
  /** The base's checkpoint: copies of base weights in the adapter's file are compared with it. Left out, they aren't. */
  folder?: string;
}

/** A module of which the adapter has a delta, and the keys of its tensors: A [rank, in], B [out, rank]. */
export interface AdapterModule extends Target {
  keyA: string;
  keyB: string;
}

export class OpenAdapter {
  readonly config: AdapterConfig;
  /** By PEFT module name, in the order of the forward pass. */
  readonly modules: ReadonlyMap<string, AdapterModule>;
  /** Keys of copies of base weights → the base's tensor. */
  readonly baseCopies: ReadonlyMap<string, string>;
  readonly weights: SafetensorsFile;

  private constructor(
    config: AdapterConfig,
    modules: ReadonlyMap<string, AdapterModule>,
    baseCopies: ReadonlyMap<string, string>,
    weights: SafetensorsFile,
  ) {
    this.config = config;
    this.modules = modules;
    this.baseCopies = baseCopies;
    this.weights = weights;
  }

  /** Close it after use. */
  static async open(files: AdapterFiles, base: AdapterBase): Promise<OpenAdapter> {
    const json = await readJsonFile(files.configFile, { name: ADAPTER_CONFIG_FILE, maxBytes: MAX_CONFIG_BYTES });
    const config = parseAdapterConfig(json);
    const linears = linearModules(base.config);
    const targets = targetModules(config, linears);
    const weights = await SafetensorsFile.open(files.weightsFile, ADAPTER_WEIGHTS_FILE);
    try {
      const { halves, baseCopies } = sortKeys(weights.tensors.keys());
      const known = new Set(linears.map(({ name }) => name));
      for (const [module, { A, B }] of halves) {
        if (known.has(module)) continue;
        const key = shorten(A ?? B ?? module);
        throw new AdapterBaseMismatchError(
          `"${key}" is for a layer that this model has not`,
          config.baseModel,
          base.origins,
        );
      }
      const modules = new Map<string, AdapterModule>();
      for (const target of targets) {
        const pair = halves.get(target.module.name);
        halves.delete(target.module.name);
        modules.set(target.module.name, withKeys(weights, target, pair ?? {}, config.baseModel, base.origins));
      }
      for (const { A, B } of halves.values()) {
        const key = shorten(A ?? B ?? '');
        throw new InvalidAdapterTensorError(
          key,
          'is for a module that target_modules does not name, so PEFT would not use it; correct adapter_config.json',
        );
      }
      return new OpenAdapter(config, modules, baseCopies, weights);
    } catch (error) {
      await weights.close();
      throw error;
    }
  }

  /** Checks the values, too. */
  async readDelta({ module, rank, scale, keyA, keyB }: AdapterModule): Promise<LowRankDelta> {
    const { inFeatures, outFeatures } = module;
    const [a, b] = [await this.weights.readFloat32(keyA), await this.weights.readFloat32(keyB)];
    const delta = { rank, inFeatures, outFeatures, a, b, scale };
    checkRange(delta, keyA, keyB);
    return delta;
  }

  close(): Promise<void> {
    return this.weights.close();
  }
}

/** Checks that a target's tensors are there, and of the shapes that the base and the config ask for. */
function withKeys(
  weights: SafetensorsFile,
  target: Target,
  { A, B }: { A?: string; B?: string },
  baseModel: string | null,
  origins: readonly string[],
): AdapterModule {
  const { name, inFeatures, outFeatures } = target.module;
  if (A === undefined || B === undefined) {
    throw new InvalidAdapterTensorError(
      adapterKey(name, A === undefined ? 'A' : 'B'),
      'is missing, though target_modules names its module; save the whole adapter',
    );
  }
  const check = (key: string, expected: readonly number[]): void => {
    const entry = weights.tensors.get(key);
    const shape = entry?.shape ?? [];
    const ranks = key === A ? [shape[0], expected[0]] : [shape[1], expected[1]];
    const widths = key === A ? [shape[1], expected[1]] : [shape[0], expected[0]];
    if (shape.length !== 2 || widths[0] !== widths[1]) {
      throw new AdapterBaseMismatchError(
        `"${key}" is [${shape.join(', ')}], where this model needs [${expected.join(', ')}]`,
        baseModel,
        origins,
      );
    }
    if (ranks[0] !== ranks[1]) {
      throw new InvalidAdapterTensorError(
        key,
        `has rank ${ranks[0] ?? 0}, but r and rank_pattern in adapter_config.json say ${ranks[1] ?? 0}; correct the config`,
      );
    }
    if (entry && !isWeightDtype(entry.dtype)) {
      throw new InvalidAdapterTensorError(key, `is stored as ${entry.dtype}; save it as ${WEIGHT_DTYPES.join(', ')}`);
    }
  };
  check(A, [target.rank, inFeatures]);
  check(B, [outFeatures, target.rank]);
  return { ...target, keyA: A, keyB: B };
}
