/** A PEFT folder's two files → the deltas of an adapter, checked against the base model that it is for. */
import { AdapterWithoutEffectError } from '../../errors/adapters.js';
import type { LowRankDelta } from '../../lowrank/delta.js';
import { shorten } from '../json.js';
import { type Adapter, adapterDigest } from './adapter.js';
import { checkBaseCopies } from './base-copies.js';
import { hasEffect } from './delta-checks.js';
import { type AdapterBase, type AdapterFiles, OpenAdapter } from './open-adapter.js';

export async function readAdapter(files: AdapterFiles, base: AdapterBase): Promise<Adapter> {
  const opened = await OpenAdapter.open(files, base);
  try {
    const { config, modules } = opened;
    const deltas = new Map<string, LowRankDelta>();
    for (const [name, module] of modules) deltas.set(name, await opened.readDelta(module));
    if (![...deltas.values()].some(hasEffect)) throw new AdapterWithoutEffectError();
    return {
      digest: adapterDigest(deltas),
      rank: Math.max(...[...modules.values()].map(({ rank }) => rank)),
      deltas,
      targets: Object.fromEntries([...modules].map(([name, { rank, scale }]) => [name, { rank, scale }])),
      bytes: [...deltas.values()].reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0),
      warnings: [
        ...config.warnings,
        ...otherOrigin(config.baseModel, base.origins),
        ...(await checkBaseCopies(opened.weights, opened.baseCopies, base)),
      ],
    };
  } finally {
    await opened.close();
  }
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
