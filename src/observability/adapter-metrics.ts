/** Adapters on their way between blob store, host memory and bank, by tier. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { AdapterStats, EngineStats, TierStats } from '../engine/protocol.js';

const TIERS = ['host', 'bank'] as const;

/** They start again with the engine process, as Prometheus expects of counters. */
const TIER_COUNTERS: Record<string, [help: string, of: (tier: TierStats) => number]> = {
  espalier_adapter_loads_total: [
    'Adapters that came into a tier: into host memory from the blob store, into the bank from host memory.',
    ({ loads }) => loads,
  ],
  espalier_adapter_hits_total: [
    'Adapters of admitted rows that were found in a tier, and in no better one.',
    ({ hits }) => hits,
  ],
  espalier_adapter_evictions_total: ['Adapters that had to leave a tier for others.', ({ evictions }) => evictions],
};

const TIER_GAUGES: Record<string, [help: string, of: (tier: TierStats) => number]> = {
  espalier_adapters: ['Adapters in a tier.', ({ adapters }) => adapters],
  espalier_adapter_bytes: ['Bytes of adapters in a tier.', ({ bytes }) => bytes],
};

const COUNTERS: Record<string, [help: string, of: (stats: AdapterStats) => number]> = {
  espalier_adapter_misses_total: [
    'Adapters of admitted rows that were read from the blob store for them.',
    ({ misses }) => misses,
  ],
  espalier_adapter_load_failures_total: [
    'Adapters that could not be read from the blob store.',
    ({ loadFailures }) => loadFailures,
  ],
  espalier_adapter_load_seconds_total: [
    'Time that reading adapters from the blob store took.',
    ({ loadSeconds }) => loadSeconds,
  ],
};

export function registerAdapterMetrics(registry: Registry, stats: () => EngineStats | null): void {
  const registers = [registry];
  for (const [name, [help, of]] of Object.entries(TIER_COUNTERS)) {
    new Counter({
      name,
      help,
      labelNames: ['tier'],
      registers,
      collect() {
        this.reset();
        const adapters = stats()?.adapters;
        if (adapters !== undefined) for (const tier of TIERS) this.inc({ tier }, of(adapters[tier]));
      },
    });
  }
  for (const [name, [help, of]] of Object.entries(TIER_GAUGES)) {
    new Gauge({
      name,
      help,
      labelNames: ['tier'],
      registers,
      collect() {
        this.reset();
        const adapters = stats()?.adapters;
        if (adapters !== undefined) for (const tier of TIERS) this.set({ tier }, of(adapters[tier]));
      },
    });
  }
  for (const [name, [help, of]] of Object.entries(COUNTERS)) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        const adapters = stats()?.adapters;
        if (adapters !== undefined) this.inc(of(adapters));
      },
    });
  }
  new Gauge({
    name: 'espalier_adapter_pinned_bytes',
    help: 'Bytes of adapters that are pinned in host memory.',
    registers,
    collect() {
      this.set(stats()?.adapters.host.pinnedBytes ?? 0);
    },
  });
}
