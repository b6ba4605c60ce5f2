/** A base model that is loaded for the CPU: session, KV cache and adapter bank, and the runner over them. */
import { checkFileStamps } from '../formats/checkpoint/file-stamps.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules } from '../formats/checkpoint/modules.js';
import { readCheckpoint } from '../formats/checkpoint/read-checkpoint.js';
import { encodeDecoderGraph } from '../graph/decoder-graph.js';
import { AdapterBank } from './adapter-bank.js';
import { type AdapterLoader, IN_THIS_THREAD } from './adapter-loader.js';
import { ByteBudget } from './byte-budget.js';
import { HostCache } from './host-cache.js';
import { KvCache } from './kv-cache.js';
import { Session } from './ort.js';
import type { EngineLimits, ModelSource } from './protocol.js';
import { Runner, type RunnerRow } from './runner.js';
import type { ServedModel } from './served-model.js';

/** What the models of one engine share: make one, and load each with it. */
export class EngineMemory {
  readonly kv: ByteBudget;
  readonly host: HostCache;
  readonly loader: AdapterLoader;

  constructor(
    { kvBudgetBytes, hostBudgetBytes }: Pick<EngineLimits, 'kvBudgetBytes' | 'hostBudgetBytes'>,
    loader = IN_THIS_THREAD,
  ) {
    this.kv = new ByteBudget(kvBudgetBytes);
    this.host = new HostCache(hostBudgetBytes);
    this.loader = loader;
  }
}

export class LoadedModel implements ServedModel {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly kv: KvCache;
  readonly bank: AdapterBank;
  /** Of the weights in memory, which are float32. */
  readonly bytes: number;
  readonly #session: Session;
  readonly #runner: Runner;

  private constructor(
    source: ModelSource,
    config: ModelConfig,
    session: Session,
    limits: EngineLimits,
    memory: EngineMemory,
  ) {
    this.source = source;
    this.config = config;
    this.bytes = weightBytes(config);
    this.kv = new KvCache(config, config.maxPositions, memory.kv, limits.maxRows);
    this.bank = new AdapterBank(config, {
      rankBudget: limits.bankRankBudget,
      host: memory.host,
      source: (use) => memory.loader.load(use, config),
    });
    this.#session = session;
    this.#runner = new Runner(config, session, this.kv, this.bank);
  }

  static async load(
    source: ModelSource,
    limits: EngineLimits,
    memory: EngineMemory = new EngineMemory(limits),
  ): Promise<LoadedModel> {
    await checkFileStamps(source.folder);
    const { config, tensors } = await readCheckpoint(source.folder);
    const graph = encodeDecoderGraph(config, tensors);
    const session = await Session.load({ graph, folder: source.folder }, { threads: limits.threads });
    return new LoadedModel(source, config, session, limits, memory);
  }

  /** See `Runner.run`. */
  run(rows: readonly RunnerRow[]): Promise<Float32Array[]> {
    return this.#runner.run(rows);
  }

  /** Frees everything. No run may be under way, and none may follow. */
  async release(): Promise<void> {
    this.kv.dispose();
    this.bank.dispose();
    await this.#session.release();
  }
}

function weightBytes(config: ModelConfig): number {
  const embedding = config.vocabSize * config.hiddenSize;
  const linears = linearModules(config).reduce((sum, module) => sum + module.inFeatures * module.outFeatures, 0);
  return (linears + (config.tiedEmbeddings ? 0 : embedding)) * Float32Array.BYTES_PER_ELEMENT;
}
