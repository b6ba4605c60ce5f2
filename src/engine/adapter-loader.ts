/** Reads a PEFT adapter from the blob store and folds its scales in. */
import { AdapterLoadError, EspalierError, type ErrorShape, NonFiniteAdapterError } from '../errors.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { readAdapter } from '../formats/peft/read-adapter.js';
import type { FoldedDelta } from '../lowrank/delta.js';
import { fold } from '../lowrank/fold.js';
import { type FoldedAdapter, foldedAdapter } from './folded-adapter.js';
import type { AdapterUse } from './protocol.js';

export async function loadAdapter(use: AdapterUse, config: ModelConfig): Promise<FoldedAdapter> {
  // Where it comes from was checked, and warned about, when it was pushed.
  const adapter = await readAdapter(use, { config, origins: [] });
  const deltas = new Map<string, FoldedDelta>();
  for (const [module, delta] of adapter.deltas) {
    const folded = fold(delta);
    // Scale and B may each be in range, and their product not.
    if (!folded.b.every(Number.isFinite)) throw new NonFiniteAdapterError(use.digest, module);
    deltas.set(module, folded);
  }
  return foldedAdapter(use.digest, deltas);
}

/** Why a load failed, as the service is told. */
export function loadFailure(use: AdapterUse, error: unknown): ErrorShape {
  return (error instanceof EspalierError ? error : new AdapterLoadError(use.digest, error)).toShape();
}
