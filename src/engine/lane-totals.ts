/** Sums over lanes, of what each counts. */
import type { LaneCounts } from './lane.js';

export function noTotals(): LaneCounts {
  return { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 };
}

export function sumTotals(all: readonly LaneCounts[]): LaneCounts {
  const sum = noTotals();
  for (const totals of all) for (const key of Object.keys(sum) as (keyof LaneCounts)[]) sum[key] += totals[key];
  return sum;
}
