/** A base model that is loaded for the CPU: session, KV cache and adapter bank, and the runner over them. */
import { checkFileStamps } from '../formats/checkpoint/file-stamps.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type Checkpoint, readCheckpoint } from '../formats/checkpoint/read-checkpoint.js';
import { loadedWeightBytes } from '../formats/quantization/loaded-bytes.js';
import { encodeDecoderGraph } from '../graph/decoder-graph.js';
import { AdapterBank } from './adapter-bank.js';
import { type AdapterLoader, IN_THIS_THREAD } from './adapter-loader.js';
import { ByteBudget } from './byte-budget.js';
import { EngineDevice } from './engine-device.js';
import { HostCache } from './host-cache.js';
import { KvCache } from './kv-cache.js';
import { LoraPorts } from './lora-ports.js';
import { CpuMergedModel } from './merged-model.js';
import { mergeWeights, type WeightFolder } from './merged-weights.js';
import { Session } from './ort.js';
import { PrefixCache } from './prefix-cache.js';
import type { AdapterUse, EngineLimits, ModelSource } from './protocol.js';
import { sessionDevice } from './session-device.js';
import { Runner, type RunnerRow } from './runner.js';
import type { ServedModel, WeightTypes } from './served-model.js';

/** What the models of one engine share: make one, and load each with it. */
export class EngineMemory {
  readonly kv: ByteBudget;
  readonly prefixes: PrefixCache;
  readonly host: HostCache;
  readonly loader: AdapterLoader;
  readonly device: EngineDevice;

  constructor(
    {
      kvBudgetBytes,
      prefixBudgetBytes = 0,
      hostBudgetBytes,
      device = 'cpu',
      gpuDtype,
    }: Pick<EngineLimits, 'kvBudgetBytes' | 'prefixBudgetBytes' | 'hostBudgetBytes' | 'device' | 'gpuDtype'>,
    loader = IN_THIS_THREAD,
    chosen = new EngineDevice(device, undefined, gpuDtype),
  ) {
    this.kv = new ByteBudget(kvBudgetBytes);
    this.prefixes = new PrefixCache(prefixBudgetBytes, this.kv);
    this.host = new HostCache(hostBudgetBytes);
    this.loader = loader;
    this.device = chosen;
  }
}

export class LoadedModel implements ServedModel {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly kv: KvCache;
  readonly bank: AdapterBank;
  readonly ports: LoraPorts;
  /** Of the weights in memory, which are float32 or quantised. */
  readonly bytes: number;
  readonly mergedBytes: number;
  readonly runsTwoParts = true;
  readonly weightTypes: WeightTypes;
  readonly #checkpoint: WeightFolder;
  readonly #limits: EngineLimits;
  readonly #memory: EngineMemory;
  readonly #session: Session;
  readonly #runner: Runner;

  private constructor(
    source: ModelSource,
    checkpoint: Checkpoint,
    session: Session,
    limits: EngineLimits,
    memory: EngineMemory,
  ) {
    const { config } = checkpoint;
    this.source = source;
    this.config = config;
    this.bytes = loadedWeightBytes(config, checkpoint.quantization);
    this.mergedBytes = loadedWeightBytes({ ...config, tiedEmbeddings: false }, checkpoint.quantization);
    this.weightTypes = { quantization: checkpoint.quantization, dtype: 'float32' };
    this.#checkpoint = checkpoint;
    this.#limits = limits;
    this.#memory = memory;
    this.kv = new KvCache(config, config.maxPositions, memory.kv, limits.maxRows, memory.prefixes);
    this.bank = new AdapterBank(config, {
      rankBudget: limits.bankRankBudget,
      host: memory.host,
      source: (use) => memory.loader.load(use, config),
    });
    this.#session = session;
    this.ports = new LoraPorts(config, this.bank, this.bytes);
    this.#runner = new Runner(config, session, this.kv, this.ports);
  }

  static async load(
    source: ModelSource,
    limits: EngineLimits,
    memory: EngineMemory = new EngineMemory(limits),
  ): Promise<LoadedModel> {
    await checkFileStamps(source.folder);
    const checkpoint = await readCheckpoint(source.folder);
    const graph = encodeDecoderGraph(checkpoint.config, checkpoint.tensors, { lora: 'ports', beside: true });
    const session = await Session.load(
      { graph, folder: source.folder },
      { threads: limits.threads, device: sessionDevice(limits) },
    );
    return new LoadedModel(source, checkpoint, session, limits, memory);
  }

  /** See `Runner.run`. */
  run(rows: readonly RunnerRow[], others?: readonly RunnerRow[]): Promise<Float32Array[]> {
    return this.#runner.run(rows, others);
  }

  async merge(adapters: readonly AdapterUse[], signal: AbortSignal): Promise<CpuMergedModel> {
    const { threads } = this.#limits;
    const path = await Promise.all(
      adapters.map(async (use) => ({
        // Read beside the bank: a path that is merged takes none of its ranks.
        adapter: this.#memory.host.get(use.digest) ?? (await this.#memory.loader.load(use, this.config)),
        weight: use.weight,
      })),
    );
    const weights = await mergeWeights(this.#checkpoint, path, { threads, signal });
    signal.throwIfAborted();
    const { kv: kvBudget, prefixes } = this.#memory;
    return CpuMergedModel.load(weights, { bytes: this.mergedBytes, limits: this.#limits, kvBudget, prefixes });
  }

  rest(): void {
    this.ports.rest();
    this.bank.rest();
    this.#runner.forgetRanks();
  }

  async release(): Promise<void> {
    this.kv.dispose();
    this.bank.dispose();
    await this.#session.release();
  }
}
