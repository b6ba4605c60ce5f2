/** Sums over lanes, of what each counts. */
import type { LaneTotals } from './lane.js';

export function noTotals(): LaneTotals {
  return { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 };
}

export function sumTotals(all: readonly LaneTotals[]): LaneTotals {
  const sum = noTotals();
  for (const totals of all) for (const key of Object.keys(sum) as (keyof LaneTotals)[]) sum[key] += totals[key];
  return sum;
}
