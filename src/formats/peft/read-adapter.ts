/** A PEFT folder's two files → the deltas of an adapter, checked against the base model that it is for. */
import { AdapterBaseMismatchError, AdapterWithoutEffectError, InvalidAdapterTensorError } from '../../errors.js';
import type { LowRankDelta } from '../../lowrank/delta.js';
import type { ModelConfig } from '../checkpoint/model-config.js';
import { linearModules } from '../checkpoint/modules.js';
import { readJsonFile, shorten } from '../json.js';
import { isWeightDtype, WEIGHT_DTYPES } from '../safetensors/dtype.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import { ADAPTER_CONFIG_FILE, parseAdapterConfig } from './adapter-config.js';
import { sortKeys } from './adapter-keys.js';
import { type Adapter, adapterDigest } from './adapter.js';
import { checkBaseCopies } from './base-copies.js';
import { checkRange, hasEffect } from './delta-checks.js';
import { type Target, targetModules } from './target-modules.js';

const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';
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

export async function readAdapter(files: AdapterFiles, base: AdapterBase): Promise<Adapter> {
  const json = await readJsonFile(files.configFile, { name: ADAPTER_CONFIG_FILE, maxBytes: MAX_CONFIG_BYTES });
  const config = parseAdapterConfig(json);
  const modules = linearModules(base.config);
  const targets = targetModules(config, modules);
  const weights = await SafetensorsFile.open(files.weightsFile, ADAPTER_WEIGHTS_FILE);
  try {
    const { halves, baseCopies } = sortKeys(weights.tensors.keys());
    const known = new Set(modules.map(({ name }) => name));
    for (const [module, { A, B }] of halves) {
      if (known.has(module)) continue;
      const key = shorten(A ?? B ?? module);
      throw new AdapterBaseMismatchError(
        `"${key}" is for a layer that this model has not`,
        config.baseModel,
        base.origins,
      );
    }
    const warnings = [...config.warnings, ...otherOrigin(config.baseModel, base.origins)];
    const deltas = new Map<string, LowRankDelta>();
    for (const target of targets) {
      const pair = halves.get(target.module.name);
      halves.delete(target.module.name);
      deltas.set(target.module.name, await readDelta(weights, target, pair ?? {}, config.baseModel, base.origins));
    }
    for (const { A, B } of halves.values()) {
      const key = shorten(A ?? B ?? '');
      throw new InvalidAdapterTensorError(
        key,
        'is for a module that target_modules does not name, so PEFT would not use it; correct adapter_config.json',
      );
    }
    if (![...deltas.values()].some(hasEffect)) throw new AdapterWithoutEffectError();
    warnings.push(...(await checkBaseCopies(weights, baseCopies, base)));
    return {
      digest: adapterDigest(deltas),
      rank: Math.max(...targets.map(({ rank }) => rank)),
      deltas,
      targets: Object.fromEntries(targets.map(({ module, rank, scale }) => [module.name, { rank, scale }])),
      bytes: [...deltas.values()].reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0),
      warnings,
    };
  } finally {
    await weights.close();
  }
}

async function readDelta(
  weights: SafetensorsFile,
  { module, rank, scale }: Target,
  { A, B }: { A?: string; B?: string },
  baseModel: string | null,
  origins: readonly string[],
): Promise<LowRankDelta> {
  const { name, inFeatures, outFeatures } = module;
  if (A === undefined || B === undefined) {
    const missing = `base_model.model.${name}.lora_${A === undefined ? 'A' : 'B'}.weight`;
    throw new InvalidAdapterTensorError(
      missing,
      'is missing, though target_modules names its module; save the whole adapter',
    );
  }
  const mismatch = (key: string, expected: readonly number[]): void => {
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
  mismatch(A, [rank, inFeatures]);
  mismatch(B, [outFeatures, rank]);
  const delta = {
    rank,
    inFeatures,
    outFeatures,
    a: await weights.readFloat32(A),
    b: await weights.readFloat32(B),
    scale,
  };
  checkRange(delta, A, B);
  return delta;
}

/** People move and rename folders, so this is no more than a hint: keys and shapes decide. */
function otherOrigin(baseModel: string | null, origins: readonly string[]): string[] {
  if (baseModel === null) return [];
  const known = new Set(origins.map(lastSegment));
  if (known.has(lastSegment(baseModel))) return [];
  return [`base_model_name_or_path is "${shorten(baseModel)}", but this model is known as ${origins.join(', ')}.`];
}

function lastSegment(origin: string): string {
  return origin.split(/[/\\]/).filter(Boolean).at(-1)?.toLowerCase() ?? '';
}
