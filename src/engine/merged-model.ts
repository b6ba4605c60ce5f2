/**
 * A path merged into weights of its own, on the CPU: a session over the graph without LoRA ports.
 *
 * The runtime packs constant weights when it loads them, so a merged lane costs as much memory as the base does, touched
 * or not; what the weights were handed over in is freed at once. Loading blocks the thread: that is the one stall that
 * running rows see of a merge.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { encodeDecoderGraph } from '../graph/decoder-graph.js';
import type { ByteBudget } from './byte-budget.js';
import { type GraphForm, oneForm, optionsOf } from './graph-forms.js';
import { KvCache } from './kv-cache.js';
import type { MergedWeights } from './merged-weights.js';
import { hostMasses, type BlockMasses } from './block-masses.js';
import { NO_ADAPTERS } from './no-adapters.js';
import { Session } from './ort.js';
import type { PrefixCache } from './prefix-cache.js';
import type { EngineLimits } from './protocol.js';
import type { RowLogits } from './run-logits.js';
import { Runner, type RunnerRow } from './runner.js';
import type { MergedModel } from './served-model.js';
import { sessionDevice } from './session-device.js';

const FORM: GraphForm = { lora: 'none', oneToken: false };

export class CpuMergedModel implements MergedModel {
  readonly config: ModelConfig;
  readonly kv: KvCache;
  readonly bank = NO_ADAPTERS;
  readonly bytes: number;
  readonly runsTwoParts = true;
  readonly #session: Session;
  readonly #masses: BlockMasses;
  readonly #runner: Runner;

  private constructor(
    config: ModelConfig,
    { session, threads }: { session: Session; threads: number },
    bytes: number,
    kv: KvCache,
  ) {
    this.config = config;
    this.bytes = bytes;
    this.kv = kv;
    this.#session = session;
    this.#masses = hostMasses(config.vocabSize, threads);
    this.#runner = new Runner(config, oneForm({ session, ...FORM }, this.#masses), kv, NO_ADAPTERS);
  }

  static async load(
    { config, tensors, files }: MergedWeights,
    {
      bytes,
      limits,
      kvBudget,
      prefixes,
    }: { bytes: number; limits: EngineLimits; kvBudget: ByteBudget; prefixes: PrefixCache },
  ): Promise<CpuMergedModel> {
    const graph = encodeDecoderGraph(config, tensors, optionsOf(FORM));
    const session = await Session.load({ graph, files }, { threads: limits.threads, device: sessionDevice(limits) });
    return new CpuMergedModel(
      config,
      { session, threads: limits.threads },
      bytes,
      new KvCache(config, config.maxPositions, kvBudget, limits.maxRows, prefixes),
    );
  }

  /** See `Runner.run`. */
  run(rows: readonly RunnerRow[], others?: readonly RunnerRow[]): Promise<RowLogits[]> {
    return this.#runner.run(rows, others);
  }

  async rest(): Promise<void> {
    this.#runner.forgetFeeds();
    await this.#masses.rest();
  }

  async release(): Promise<void> {
    this.kv.dispose();
    await this.#masses.release();
    await this.#session.release();
  }
}
