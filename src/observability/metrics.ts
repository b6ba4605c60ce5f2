/**
 * What Prometheus reads. Gauges of the engine are taken from its newest statistics when they are asked for. Names that
 * begin with `vllm:` are those that the Kubernetes gateway's inference extension looks for.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { CONFIG, type Config } from '../config.js';
import { ENGINE, type EngineClient } from '../engine/engine-client.js';
import type { LaneTimes, Tally } from '../engine/lane-times.js';
import type { LaneTotals } from '../engine/lane.js';
import type { EngineStats } from '../engine/protocol.js';
import { ActivePaths } from './active-paths.js';
import { registerAdapterMetrics } from './adapter-metrics.js';
import { TallyHistogram } from './tally-histogram.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const BETWEEN = [0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5];
const TOKENS = [1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

/** Gauge or counter → help text, and where it comes from. */
const ENGINE_GAUGES: Record<string, [help: string, of: (stats: EngineStats) => number]> = {
  espalier_engine_rows_running: ['Rows in the batch.', (stats) => stats.running],
  espalier_engine_rows_waiting: ['Rows that wait for a place in the batch.', (stats) => stats.waiting],
  espalier_engine_kv_bytes: ['Bytes of KV cache in use.', (stats) => stats.kvBytes],
  espalier_engine_kv_budget_bytes: ['Bytes of KV cache that may be used.', (stats) => stats.kvBudgetBytes],
  espalier_engine_prefix_cache_bytes: [
    'Bytes of KV cache that earlier rows left behind.',
    (stats) => stats.prefixBytes,
  ],
  espalier_engine_prefix_cache_budget_bytes: [
    'Bytes of KV cache that may be kept of earlier rows.',
    (stats) => stats.prefixBudgetBytes,
  ],
  espalier_engine_bank_ranks: ['Rank rows of adapters in the bank that are in use.', (stats) => stats.bankRanks],
  espalier_engine_bank_rank_budget: ['Rank rows that the bank holds.', (stats) => stats.bankRankBudget],
  espalier_engine_host_cache_budget_bytes: [
    'Bytes of adapters that host memory may hold.',
    (stats) => stats.hostBudgetBytes,
  ],
  espalier_engine_merged_paths: ['Paths that have a merged lane.', (stats) => stats.mergedPaths],
  espalier_engine_merged_bytes: ['Bytes of weights of merged lanes.', (stats) => stats.mergedBytes],
  espalier_engine_merged_budget_bytes: [
    'Bytes of weights that merged lanes may have.',
    (stats) => stats.mergedBudgetBytes,
  ],
  espalier_engine_resident_bytes: ['Resident memory of the engine process.', (stats) => stats.rssBytes],
  espalier_engine_gpu_bytes: ["Bytes of tensors in a GPU's memory.", (stats) => stats.gpuBytes],
  // These start again with the engine process, as counters do.
  espalier_engine_steps: ['Steps since the engine process started.', (stats) => stats.steps],
  espalier_engine_preemptions: ['Rows taken out of the batch for lack of memory.', (stats) => stats.preemptions],
  espalier_engine_prefix_cache_hits: ['Rows whose beginning was cached.', (stats) => stats.prefixHits],
  espalier_engine_prefix_cache_tokens: ['Tokens of rows that were cached.', (stats) => stats.prefixTokens],
  espalier_engine_bus_up_bytes: ["Bytes that runs took from the CPU's memory to a GPU's.", (stats) => stats.busUpBytes],
  espalier_engine_bus_down_bytes: [
    "Bytes that runs took from a GPU's memory to the CPU's.",
    (stats) => stats.busDownBytes,
  ],
  'vllm:num_requests_running': ['Rows in the batch.', (stats) => stats.running],
  'vllm:num_requests_waiting': ['Rows that wait for a place in the batch.', (stats) => stats.waiting],
  'vllm:kv_cache_usage_perc': [
    'Share of the KV cache in use, 0 to 1.',
    (stats) => (stats.kvBudgetBytes === 0 ? 0 : stats.kvBytes / stats.kvBudgetBytes),
  ],
};

/** The same, with a value for each kind of lane. */
const LANE_GAUGES: Record<string, [help: string, of: (totals: LaneTotals) => number]> = {
  espalier_engine_lane_steps: ['Steps of lanes of a kind.', ({ steps }) => steps],
  espalier_engine_lane_prompt_tokens: ['Tokens of prompts that lanes of a kind read.', (totals) => totals.promptTokens],
  espalier_engine_lane_generated_tokens: ['Tokens that lanes of a kind drew.', (totals) => totals.generatedTokens],
};

const LANE_TALLIES: Record<string, [help: string, of: (times: LaneTimes) => Tally]> = {
  espalier_engine_step_seconds: ['How long steps take, by kind of lane.', ({ stepSeconds }) => stepSeconds],
  espalier_engine_decode_rows: ['Rows that decode in a step that has any.', ({ decodeRows }) => decodeRows],
  espalier_engine_prefill_tokens: ['Prompt tokens read in a step that reads any.', (times) => times.prefillTokens],
};

function talliesOf(stats: EngineStats | null, of: (times: LaneTimes) => Tally): Record<string, Tally> {
  const tallies: Record<string, Tally> = {};
  for (const [lane, { times }] of Object.entries(stats?.lanes ?? {}))
    if (times !== undefined) tallies[lane] = of(times);
  return tallies;
}

@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly paths = new ActivePaths();
  readonly requests = this.#counter('espalier_requests_total', 'Requests that ended, well or not.', 'endpoint');
  readonly promptTokens = this.#counter('espalier_prompt_tokens_total', 'Tokens in prompts.');
  readonly generatedTokens = this.#counter('espalier_generated_tokens_total', 'Tokens generated.');
  readonly timeToFirstOutput = this.#histogram(
    'espalier_time_to_first_output_seconds',
    'From the tokenized request to the first output of the engine.',
    SECONDS,
  );
  readonly timeToFirstToken = this.#laneHistogram(
    'espalier_time_to_first_token_seconds',
    'From the arrival of the request at the service to the first token of a row, by the kind of lane that it ran in.',
    SECONDS,
  );
  readonly timeBetweenTokens = this.#laneHistogram(
    'espalier_time_between_tokens_seconds',
    'Between two tokens of a row as the service has them, by the kind of lane.',
    BETWEEN,
  );
  readonly requestSeconds = this.#histogram(
    'espalier_request_seconds',
    'From the tokenized request to its end.',
    SECONDS,
  );
  readonly completionTokens = this.#histogram('espalier_completion_tokens', 'Tokens generated for a request.', TOKENS);

  constructor(@Inject(ENGINE) engine: EngineClient, @Inject(CONFIG) config: Config) {
    collectDefaultMetrics({ register: this.registry });
    for (const [name, [help, of]] of Object.entries(ENGINE_GAUGES)) {
      this.#gauge(name, help, (gauge) => {
        if (engine.stats) gauge.set(of(engine.stats));
      });
    }
    for (const [name, [help, of]] of Object.entries(LANE_GAUGES)) this.#laneGauge(name, help, engine, of);
    registerAdapterMetrics(this.registry, () => engine.stats);
    for (const [name, [help, of]] of Object.entries(LANE_TALLIES)) {
      new TallyHistogram({
        name,
        help,
        label: 'lane',
        registry: this.registry,
        tallies: () => talliesOf(engine.stats, of),
      });
    }
    this.#gauge('espalier_engine_up', 'Whether the engine process serves.', (gauge) =>
      gauge.set(engine.state === 'ready' ? 1 : 0),
    );
    this.#gauge('espalier_engine_models', 'Base models that are loaded.', (gauge) =>
      gauge.set(engine.loadedModels.size),
    );
    this.#loraRequests(config.engine.maxRows);
  }

  /** As vLLM has it: the labels hold the names, the value is the time. */
  #loraRequests(maxRows: number): void {
    const { paths } = this;
    new Gauge({
      name: 'vllm:lora_requests_info',
      help: 'Paths that requests run on and wait for.',
      labelNames: ['max_lora', 'running_lora_adapters', 'waiting_lora_adapters'],
      registers: [this.registry],
      collect() {
        this.reset();
        const adapters = (state: 'running' | 'waiting'): string =>
          paths
            .paths(state)
            .filter((path) => path.includes('/'))
            .join(',');
        this.set(
          {
            max_lora: maxRows,
            running_lora_adapters: adapters('running'),
            waiting_lora_adapters: adapters('waiting'),
          },
          Date.now() / 1000,
        );
      },
    });
  }

  #laneGauge(name: string, help: string, engine: EngineClient, of: (totals: LaneTotals) => number): void {
    new Gauge({
      name,
      help,
      labelNames: ['lane'],
      registers: [this.registry],
      collect() {
        for (const [lane, totals] of Object.entries(engine.stats?.lanes ?? {})) this.set({ lane }, of(totals));
      },
    });
  }

  #gauge(name: string, help: string, collect: (gauge: Gauge) => void): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        collect(this);
      },
    });
  }

  #counter<Label extends string = never>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #laneHistogram(name: string, help: string, buckets: number[]): Histogram<'lane'> {
    return new Histogram({ name, help, buckets, labelNames: ['lane'], registers: [this.registry] });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram<'endpoint'> {
    return new Histogram({ name, help, buckets, labelNames: ['endpoint'], registers: [this.registry] });
  }
}
