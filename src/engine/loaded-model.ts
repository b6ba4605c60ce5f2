/** A base model that is loaded for the CPU: sessions, KV cache and adapter bank, and the runner over them. */
import { reasonsOf } from '../errors/espalier-error.js';
import { checkFileStamps } from '../formats/checkpoint/file-stamps.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type Checkpoint, readCheckpoint } from '../formats/checkpoint/read-checkpoint.js';
import { loadedWeightBytes } from '../formats/quantization/loaded-bytes.js';
import { AdapterBank } from './adapter-bank.js';
import { type AdapterLoader, IN_THIS_THREAD } from './adapter-loader.js';
import { ByteBudget } from './byte-budget.js';
import { EngineDevice } from './engine-device.js';
import { GraphForms } from './graph-forms.js';
import { HostCache } from './host-cache.js';
import { KvCache } from './kv-cache.js';
import { LoraPorts } from './lora-ports.js';
import { CpuMergedModel } from './merged-model.js';
import { mergedLaneBytes } from './merged-size.js';
import { mergeWeights, type WeightFolder } from './merged-weights.js';
import { packedWeights, type PackedWeights } from './packed-weights.js';
import { PrefixCache } from './prefix-cache.js';
import type { AdapterUse, EngineLimits, ModelSource } from './protocol.js';
import { sessionDevice } from './session-device.js';
import type { RowLogits } from './run-logits.js';
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
  readonly drawback: string | undefined;
  readonly #checkpoint: WeightFolder;
  readonly #limits: EngineLimits;
  readonly #memory: EngineMemory;
  readonly #forms: GraphForms;
  readonly #runner: Runner;

  private constructor(
    source: ModelSource,
    checkpoint: Checkpoint,
    { forms, drawback }: { forms: GraphForms; drawback?: string },
    limits: EngineLimits,
    memory: EngineMemory,
  ) {
    const { config } = checkpoint;
    this.source = source;
    this.config = config;
    this.bytes = loadedWeightBytes(config, checkpoint.quantization);
    this.mergedBytes = mergedLaneBytes(config, checkpoint.quantization);
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
    this.#forms = forms;
    this.drawback = drawback;
    this.ports = new LoraPorts(config, this.bank, this.bytes);
    this.#runner = new Runner(config, forms, this.kv, this.ports);
  }

  static async load(
    source: ModelSource,
    limits: EngineLimits,
    memory: EngineMemory = new EngineMemory(limits),
  ): Promise<LoadedModel> {
    await checkFileStamps(source.folder);
    const checkpoint = await readCheckpoint(source.folder);
    const options = { threads: limits.threads, device: sessionDevice(limits) };
    const { packed, drawback } = await packedFor(checkpoint, source, limits);
    const weights = { config: checkpoint.config, ...(packed ?? checkpoint) };
    const forms = await GraphForms.load(weights, options, { shared: packed !== null });
    return new LoadedModel(source, checkpoint, { forms, drawback }, limits, memory);
  }

  /** Loads another form of the graph; false: there is none left. No run may be under way. */
  prepare(): Promise<boolean> {
    return this.#forms.loadNext();
  }

  /** See `Runner.run`. */
  run(rows: readonly RunnerRow[], others?: readonly RunnerRow[]): Promise<RowLogits[]> {
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

  async rest(): Promise<void> {
    this.ports.rest();
    this.bank.rest();
    this.#runner.forgetFeeds();
    await this.#forms.masses.rest();
  }

  async release(): Promise<void> {
    this.kv.dispose();
    this.bank.dispose();
    await this.#forms.release();
  }
}

/** Null where each session has to have its own. */
async function packedFor(
  checkpoint: Checkpoint,
  { digest }: ModelSource,
  { packedFolder, threads, device }: EngineLimits,
): Promise<{ packed: PackedWeights | null; drawback?: string }> {
  if (packedFolder === undefined || packedFolder === null || device === 'cuda') return { packed: null };
  try {
    return { packed: await packedWeights(checkpoint, { root: packedFolder, digest, threads }) };
  } catch (error) {
    // Whatever is wrong with the folder, the model can be served without.
    return { packed: null, drawback: `its packed weights can't be kept in ${packedFolder}: ${reasonsOf(error)}` };
  }
}
