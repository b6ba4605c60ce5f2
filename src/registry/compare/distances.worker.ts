/** Compares the matrices of two adapters of one base, module by module, in a thread of its own. */
import { AdapterLoadError } from '../../errors/adapters.js';
import { EspalierError, reasonsOf, type ErrorShape } from '../../errors/espalier-error.js';
import {
  OpenAdapter,
  type AdapterBase,
  type AdapterFiles,
  type AdapterModule,
} from '../../formats/peft/open-adapter.js';
import { distance, frobeniusNorm } from '../../lowrank/norm.js';

/**
 * Multiplications. Takes about a minute: two adapters with a rank of 128 on every layer of a model of 7 billion weights.
 */
const MAX_COST = 16e10;

export interface ComparedAdapter extends AdapterFiles {
  /** Revision digest. */
  digest: string;
}

export interface DistancesTask {
  left: ComparedAdapter;
  right: ComparedAdapter;
  base: AdapterBase;
}

export interface ModuleDistance {
  /** ‖Δ‖_F of either; null where it doesn't have the module. */
  leftNorm: number | null;
  rightNorm: number | null;
  /** ‖Δl − Δr‖_F / ‖Δl‖_F */
  relative: number | null;
  cosine: number | null;
}

/** By PEFT module name; null where it would take too long. */
export type Distances = Readonly<Record<string, ModuleDistance>> | null;

/** An error's class and fields don't survive the way between threads; its shape does. `reason` is for the log. */
export type DistancesAnswer = { distances: Distances } | { error: ErrorShape; reason: string };

export default async function compare({ left, right, base }: DistancesTask): Promise<DistancesAnswer> {
  const opened: OpenAdapter[] = [];
  try {
    const one = await open(left, base, opened);
    const other = await open(right, base, opened);
    return { distances: costOf(one, other) > MAX_COST ? null : await distancesOf(one, other) };
  } catch (error) {
    if (error instanceof EspalierError) return { error: error.toShape(), reason: reasonsOf(error) };
    throw error;
  } finally {
    for (const adapter of opened) await adapter.close();
  }
}

/** It was checked when it was pushed, so whatever is wrong with it now is no fault of the caller. */
async function open(adapter: ComparedAdapter, base: AdapterBase, opened: OpenAdapter[]): Promise<OpenAdapter> {
  try {
    const open = await OpenAdapter.open(adapter, base);
    opened.push(open);
    return open;
  } catch (error) {
    throw new AdapterLoadError(error);
  }
}

async function distancesOf(left: OpenAdapter, right: OpenAdapter): Promise<Record<string, ModuleDistance>> {
  const distances: Record<string, ModuleDistance> = {};
  for (const [name, module] of left.modules) {
    const other = right.modules.get(name);
    distances[name] = other
      ? await between(left, module, right, other)
      : { leftNorm: await normOf(left, module), rightNorm: null, relative: null, cosine: null };
  }
  for (const [name, module] of right.modules) {
    distances[name] ??= { leftNorm: null, rightNorm: await normOf(right, module), relative: null, cosine: null };
  }
  return distances;
}

async function between(
  left: OpenAdapter,
  module: AdapterModule,
  right: OpenAdapter,
  other: AdapterModule,
): Promise<ModuleDistance> {
  const { norm, otherNorm, relative, cosine } = distance(await left.readDelta(module), await right.readDelta(other));
  return { leftNorm: norm, rightNorm: otherNorm, relative, cosine };
}

async function normOf(adapter: OpenAdapter, module: AdapterModule): Promise<number> {
  return frobeniusNorm(await adapter.readDelta(module));
}

/** The square of all ranks of a module together, times the width of what is multiplied. */
function costOf(left: OpenAdapter, right: OpenAdapter): number {
  let cost = 0;
  for (const name of new Set([...left.modules.keys(), ...right.modules.keys()])) {
    const [one, other] = [left.modules.get(name), right.modules.get(name)];
    const module = one?.module ?? other?.module;
    if (module) cost += ((one?.rank ?? 0) + (other?.rank ?? 0)) ** 2 * (module.inFeatures + module.outFeatures);
  }
  return cost;
}
