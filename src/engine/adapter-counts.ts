/** What became of adapters on their way between blob store, host memory and bank, as numbers that only grow. */
export interface AdapterCounts {
  /** Adapters read from the blob store into host memory, those that couldn't be, and how long reading took in all. */
  reads: number;
  readFailures: number;
  readMs: number;
  /** Adapters of admitted rows, by where they were found: a miss was read from the blob store for the row. */
  bankHits: number;
  hostHits: number;
  misses: number;
  /** Copies from host memory into the bank, and adapters that had to leave it for others. */
  bankLoads: number;
  bankEvictions: number;
}

export function noCounts(): AdapterCounts {
  return {
    reads: 0,
    readFailures: 0,
    readMs: 0,
    bankHits: 0,
    hostHits: 0,
    misses: 0,
    bankLoads: 0,
    bankEvictions: 0,
  };
}

export function sumCounts(counts: readonly Readonly<AdapterCounts>[]): AdapterCounts {
  const sum = noCounts();
  for (const each of counts) {
    for (const name of Object.keys(sum) as (keyof AdapterCounts)[]) sum[name] += each[name];
  }
  return sum;
}
