/**
 * A folded adapter as it travels from the thread that read it: all its numbers in one buffer, which moves without a copy.
 *
 * Values are checked as they are read (`readDelta`), and once more where the scale is in them.
 */
import { NonFiniteAdapterError } from '../errors/adapters.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type LinearModule, linearModules } from '../formats/checkpoint/modules.js';
import { type AdapterFiles, OpenAdapter } from '../formats/peft/open-adapter.js';
import type { FoldedDelta } from '../lowrank/delta.js';
import { fold } from '../lowrank/fold.js';
import { allFinite } from './finite.js';
import { type FoldedAdapter, foldedAdapter } from './folded-adapter.js';

export interface PackedAdapter {
  /** In the order of their values. */
  modules: readonly { name: string; rank: number }[];
  /** For each module A [rank, in], then s · Bᵀ [rank, out]. */
  values: Float32Array<ArrayBuffer>;
}

export interface AdapterToRead extends AdapterFiles {
  /** Revision digest. */
  digest: string;
}

/** Files up to this size are read at once. */
const WHOLE_FILE_BYTES = 256 * 1024 * 1024;

export async function readPacked(
  { digest, configFile, weightsFile }: AdapterToRead,
  config: ModelConfig,
): Promise<PackedAdapter> {
  // Where it comes from was checked, and warned about, when it was pushed.
  const opened = await OpenAdapter.open({ configFile, weightsFile }, { config, origins: [] });
  try {
    await opened.weights.preload(WHOLE_FILE_BYTES);
    const targets = [...opened.modules.values()];
    const size = targets.reduce((sum, { module, rank }) => sum + rank * (module.inFeatures + module.outFeatures), 0);
    const values = new Float32Array(size);
    let end = 0;
    const next = (length: number): Float32Array => values.subarray(end, (end += length));
    for (const target of targets) {
      const delta = await opened.readDelta(target);
      next(delta.a.length).set(delta.a);
      const { b } = fold(delta, next(delta.b.length));
      // Scale and B may each be in range, and their product not.
      if (!allFinite(b)) throw new NonFiniteAdapterError(digest, target.module.name);
    }
    return { modules: targets.map(({ module: { name }, rank }) => ({ name, rank })), values };
  } finally {
    await opened.close();
  }
}

/** The result's arrays are views of `values`. */
export function unpack(digest: string, { modules, values }: PackedAdapter, config: ModelConfig): FoldedAdapter {
  const shapes = shapesOf(config);
  const deltas = new Map<string, FoldedDelta>();
  let end = 0;
  for (const { name, rank } of modules) {
    const module = shapes.get(name);
    if (module === undefined) throw new Error(`an adapter was read for ${name}, which the model has not`);
    const { inFeatures, outFeatures } = module;
    const a = values.subarray(end, (end += rank * inFeatures));
    const b = values.subarray(end, (end += rank * outFeatures));
    deltas.set(name, { rank, inFeatures, outFeatures, a, b });
  }
  return foldedAdapter(digest, deltas);
}

const SHAPES = new WeakMap<ModelConfig, ReadonlyMap<string, LinearModule>>();

function shapesOf(config: ModelConfig): ReadonlyMap<string, LinearModule> {
  let shapes = SHAPES.get(config);
  if (shapes === undefined) {
    shapes = new Map(linearModules(config).map((module) => [module.name, module]));
    SHAPES.set(config, shapes);
  }
  return shapes;
}
