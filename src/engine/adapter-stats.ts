/** What an engine reports of its adapters, over all of its models. */
import { type AdapterCounts, sumCounts } from './adapter-counts.js';
import type { HostCache } from './host-cache.js';
import type { AdapterStats } from './protocol.js';
import type { ServedBank } from './served-model.js';

/** `bygone`: of models that are gone. */
export function adapterStats(
  host: HostCache,
  banks: readonly ServedBank[],
  bygone: Readonly<AdapterCounts>,
): AdapterStats {
  const stats = banks.map((bank) => bank.stats);
  const counts = sumCounts([bygone, ...stats.map((each) => each.counts)]);
  return {
    bank: {
      adapters: stats.reduce((sum, { adapters }) => sum + adapters, 0),
      bytes: stats.reduce((sum, { bytes }) => sum + bytes, 0),
      loads: counts.bankLoads,
      hits: counts.bankHits,
      evictions: counts.bankEvictions,
    },
    host: {
      adapters: host.size,
      bytes: host.bytes,
      pinnedBytes: host.pinnedBytes,
      loads: counts.reads,
      hits: counts.hostHits,
      evictions: host.evictions,
    },
    misses: counts.misses,
    loadFailures: counts.readFailures,
    loadSeconds: counts.readMs / 1000,
  };
}
