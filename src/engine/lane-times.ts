/** How long the steps of lanes of a kind take, and how much they compute: tallies that only grow. */

/** Counts of observed values by upper bound; the last count is of what lies above all bounds. */
export interface Tally {
  bounds: readonly number[];
  counts: number[];
  sum: number;
}

export interface LaneTimes {
  /** Of whole steps. */
  stepSeconds: Tally;
  /** Rows that decode, in steps that have any. */
  decodeRows: Tally;
  /** Prompt tokens read, in steps that read any. */
  prefillTokens: Tally;
}

const SECONDS = [0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5];
const ROWS = [1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 256];
const TOKENS = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

export function noTimes(): LaneTimes {
  return { stepSeconds: newTally(SECONDS), decodeRows: newTally(ROWS), prefillTokens: newTally(TOKENS) };
}

export function observe(tally: Tally, value: number): void {
  const place = tally.bounds.findIndex((bound) => value <= bound);
  const index = place < 0 ? tally.bounds.length : place;
  tally.counts[index] = (tally.counts[index] ?? 0) + 1;
  tally.sum += value;
}

function newTally(bounds: readonly number[]): Tally {
  return { bounds, counts: bounds.map(() => 0).concat(0), sum: 0 };
}
