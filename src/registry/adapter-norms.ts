/** ‖ΔW‖_F of each module of an adapter, as a revision keeps it: how much the adapter changes, and where. */
import type { LowRankDelta } from '../lowrank/delta.js';
import { frobeniusNorm, innerProductCost } from '../lowrank/norm.js';

/**
 * Multiplications: about twenty seconds on a quiet machine, and a little more than a rank of 128 on every layer of a model
 * of 7 billion weights takes. The reading of an adapter has a deadline, and nobody loses a push because of a number that's
 * nice to have.
 */
const MAX_COST = 5e10;

/** Null for all modules of an adapter that would take too long. */
export function normsOf(deltas: ReadonlyMap<string, LowRankDelta>): Map<string, number | null> {
  const cost = [...deltas.values()].reduce((sum, delta) => sum + innerProductCost(delta, delta), 0);
  return new Map([...deltas].map(([module, delta]) => [module, cost > MAX_COST ? null : frobeniusNorm(delta)]));
}
