/**
 * The loop of an engine process: while rows are there, each lane of each loaded model takes a step in turn, and what its
 * rows put out goes away as one event. Between steps the event loop gets a turn, so that commands arrive.
 *
 * A run blocks the thread, so several models share the processor step by step, and a load takes its time from all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OverloadedError } from '../errors/admission.js';
import { EngineFailedError, EngineStoppingError, modelLoadError, ModelUnloadedError } from '../errors/engine.js';
import { EspalierError, reasonsOf, type ErrorShape } from '../errors/espalier-error.js';
import { noCounts, sumCounts } from './adapter-counts.js';
import { type AdapterLoader, IN_THIS_THREAD, telling } from './adapter-loader.js';
import { AdapterPins } from './adapter-pins.js';
import { adapterStats } from './adapter-stats.js';
import type { LaneName, LaneTotals } from './lane.js';
import { noTimes } from './lane-times.js';
import { noTotals, sumTotals } from './lane-totals.js';
import { loadModel } from './load-model.js';
import type { EngineDevice } from './engine-device.js';
import { EngineMemory } from './loaded-model.js';
import { Merging } from './merging.js';
import { ModelLanes } from './model-lanes.js';
import type {
  AdapterUse,
  EngineEvent,
  EngineLimits,
  EngineStats,
  GenerationRequest,
  MergeRequest,
  ModelSource,
  RowOutput,
} from './protocol.js';
import type { MergedModel, ServedModel } from './served-model.js';

const STATS_INTERVAL_MS = 1_000;
const REST_INTERVAL_MS = 60_000;
/** How long rows that wait for memory wait at the most before they look again. */
const LOOK_AGAIN_MS = 50;
/** How long a model that is never without rows goes on without what would make it faster. */
const PREPARE_WITHIN_MS = 10_000;

export class Engine {
  readonly #limits: EngineLimits;
  readonly #emit: (event: EngineEvent) => void;
  readonly #memory: EngineMemory;
  readonly #served = new Map<string, ModelLanes>();
  readonly #merging: Merging;
  /** Requests for models that are being loaded, by base digest. */
  readonly #parked = new Map<string, GenerationRequest[]>();
  readonly #totals: Readonly<Record<LaneName, LaneTotals>> = {
    factored: { ...noTotals(), times: noTimes() },
    merged: { ...noTotals(), times: noTimes() },
  };
  /** Of models that are gone. */
  #bygone = noCounts();
  readonly #pins: AdapterPins;
  /** What must not happen during a step. */
  readonly #betweenSteps: (() => void | Promise<void>)[] = [];
  /** Merged lanes that are being freed: of no model any more, and their memory is still taken. */
  #freeing = 0;
  readonly #statsTimer: NodeJS.Timeout;
  readonly #restTimer: NodeJS.Timeout;
  /** Loads and unloads, one after the other. */
  #loads: Promise<void> = Promise.resolve();
  #prepared: Promise<void> = Promise.resolve();
  #looping = false;
  #stopping = false;
  #changed = false;
  #wake: (() => void) | null = null;
  #ended: (() => void) | null = null;

  /** `loader`: what reads adapters; without it this thread does. `device`: without it, the one that the limits name. */
  constructor(
    limits: EngineLimits,
    emit: (event: EngineEvent) => void,
    loader: AdapterLoader = IN_THIS_THREAD,
    device?: EngineDevice,
  ) {
    this.#limits = limits;
    this.#emit = emit;
    const reader = telling(loader, ({ digest }, error) =>
      emit({ type: 'adapterFailed', digest, reason: reasonsOf(error) }),
    );
    this.#memory = new EngineMemory(limits, reader, device);
    this.#pins = new AdapterPins(this.#memory.host);
    this.#merging = new Merging(limits.mergedBudgetBytes ?? 0, {
      model: async (request) => (await this.#lanesFor(request)).model,
      add: (request, merged, signal) => this.#addMerged(request, merged, signal),
      isDraining: () => this.#freeing > 0 || [...this.#served.values()].some(({ draining }) => draining),
      emit,
    });
    this.#statsTimer = setInterval(() => this.#reportStats(), STATS_INTERVAL_MS).unref();
    this.#restTimer = setInterval(
      () => void this.#nextTurn(() => this.#rest()),
      limits.restMs ?? REST_INTERVAL_MS,
    ).unref();
  }

  load(source: ModelSource): void {
    const served = this.#served.get(source.digest);
    if (served !== undefined) {
      this.#emitLoaded(source, served.model, 0);
    } else if (!this.#parked.has(source.digest)) {
      this.#parked.set(source.digest, []);
      this.#loads = this.#loads.then(() => this.#load(source));
    }
  }

  /** Gives up the model's rows. */
  unload(digest: string): void {
    this.#loads = this.#loads.then(async () => {
      await this.#merging.stop(digest);
      await this.#nextTurn(() => this.#release(digest, new ModelUnloadedError(digest).toShape()));
      this.#emit({ type: 'unloaded', digest });
    });
  }

  /** Once `merged` is told, rows of the path run on weights of its own; those that have begun stay where they are. */
  merge(request: MergeRequest): void {
    if (this.#stopping) return;
    if (this.#served.get(request.model.digest)?.merged.has(request.pathDigest) !== true) this.#merging.start(request);
  }

  /** The path's rows run factored from now on; `unmerged` is told when its lane is gone. */
  unmerge(pathDigest: string): void {
    const calledOff = this.#merging.callOff(pathDigest);
    const retired = [...this.#served.values()].some((lanes) => lanes.retire(pathDigest));
    if (retired) void this.#nextTurn(() => undefined);
    else if (calledOff) this.#emit({ type: 'unmerged', pathDigest });
  }

  submit(request: GenerationRequest): void {
    this.#changed = true;
    const { digest } = request.model;
    try {
      if (this.#stopping) throw new EngineStoppingError();
      const served = this.#served.get(digest);
      if (served !== undefined) {
        served.submit(request);
        this.#run();
        return;
      }
      this.load(request.model);
      this.#park(request);
    } catch (error) {
      this.#emit({ type: 'outputs', rows: [{ id: request.id, error: shapeOf(error) }] });
    }
  }

  cancel(id: string): void {
    for (const lanes of this.#served.values()) lanes.cancel(id);
    for (const [digest, parked] of this.#parked) {
      this.#parked.set(
        digest,
        parked.filter((request) => request.id !== id),
      );
    }
    this.#run();
  }

  /** The model's pinned adapters are these from now on. */
  pin(digest: string, adapters: readonly AdapterUse[]): void {
    this.#pins.set(digest, adapters, this.#served.get(digest)?.model.bank);
    this.#changed = true;
  }

  /** Rows in the batch may end within `graceMs`; those that have not begun are sent away at once. */
  async shutdown(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#restTimer);
    const error = new EngineStoppingError().toShape();
    for (const [digest, parked] of this.#parked) {
      this.#put(parked.map(({ id }) => ({ id, error })));
      this.#parked.set(digest, []);
    }
    const giveUp = (which: 'all' | 'not begun') => () => {
      for (const lanes of this.#served.values()) this.#put(lanes.giveUp(error, which));
    };
    await this.#nextTurn(giveUp('not begun'));
    const deadline = setTimeout(() => void this.#nextTurn(giveUp('all')), graceMs);
    if (this.#busy) await new Promise<void>((resolve) => (this.#ended = resolve));
    clearTimeout(deadline);
    await this.#merging.stop();
    await this.#loads;
    for (const digest of [...this.#served.keys()]) await this.#nextTurn(() => this.#release(digest, error));
    this.#reportStats();
    clearInterval(this.#statsTimer);
    await this.#memory.device.release();
    await this.#memory.loader.close();
  }

  /** When what was loaded last is as fast as it gets. */
  get prepared(): Promise<void> {
    return this.#prepared;
  }

  get stats(): EngineStats {
    const served = [...this.#served.values()];
    const running = served.flatMap(({ running }) => running);
    const waiting = served.flatMap(({ waiting }) => waiting);
    const parked = [...this.#parked.values()].flat();
    const banks = served.map(({ model }) => model.bank);
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
    return {
      ...sumTotals(Object.values(this.#totals)),
      lanes: this.#totals,
      mergedPaths: sum(served.map(({ merged }) => merged.size)),
      mergedBytes: this.#merging.usedBytes,
      mergedBudgetBytes: this.#merging.limitBytes,
      running: running.length,
      waiting: waiting.length + parked.length,
      kvBytes: this.#memory.kv.liveBytes,
      kvBudgetBytes: this.#memory.kv.limitBytes,
      prefixBytes: this.#memory.prefixes.counts.bytes,
      prefixBudgetBytes: this.#memory.prefixes.limitBytes,
      prefixHits: this.#memory.prefixes.counts.hits,
      prefixTokens: this.#memory.prefixes.counts.tokens,
      bankRanks: sum(banks.map(({ usedRanks }) => usedRanks)),
      bankRankBudget: sum(banks.map(({ rankBudget }) => rankBudget)),
      hostBudgetBytes: this.#memory.host.limitBytes,
      adapters: adapterStats(this.#memory.host, banks, this.#bygone),
      rssBytes: process.memoryUsage.rss(),
      device: this.#memory.device.kind,
      dtype: this.#memory.device.dtype,
      gpuBytes: this.#memory.device.gpuBytes,
      busUpBytes: this.#memory.device.bus.upBytes,
      busDownBytes: this.#memory.device.bus.downBytes,
      runningAdapters: digestsOf(running),
      waitingAdapters: digestsOf([...waiting, ...parked]),
    };
  }

  #emitLoaded({ digest }: ModelSource, { weightTypes: weights, bytes }: ServedModel, seconds: number): void {
    const { kind: device } = this.#memory.device;
    this.#emit({ type: 'loaded', digest, device, weights, bytes, seconds });
  }

  async #load(source: ModelSource): Promise<void> {
    const { digest } = source;
    const startMs = performance.now();
    try {
      const model = await loadModel(source, this.#limits, this.#memory);
      model.bank.onSettled(() => {
        this.#changed = true;
        this.#wake?.();
      });
      this.#pins.attach(digest, model.bank);
      this.#served.set(digest, new ModelLanes(model, this.#limits, this.#totals));
      this.#emitLoaded(source, model, (performance.now() - startMs) / 1000);
      if (model.drawback !== undefined) this.#emit({ type: 'hampered', digest, reason: model.drawback });
      this.#prepared = this.#prepare(digest, model).catch((error: unknown) => {
        this.#emit({ type: 'hampered', digest, reason: reasonsOf(error) });
      });
      const parked = this.#parked.get(digest) ?? [];
      this.#parked.delete(digest);
      for (const request of parked) this.submit(request);
    } catch (cause) {
      const error = modelLoadError(cause).toShape();
      const parked = this.#parked.get(digest) ?? [];
      this.#parked.delete(digest);
      this.#emit({ type: 'loadFailed', digest, error, folder: source.folder, reason: reasonsOf(cause) });
      this.#put(parked.map(({ id }) => ({ id, error })));
    }
    this.#changed = true;
  }

  /** In moments without rows, or in the middle of them if those don't come soon. */
  async #prepare(digest: string, model: ServedModel): Promise<void> {
    const soonMs = performance.now() + PREPARE_WITHIN_MS;
    const isThere = (): boolean => !this.#stopping && this.#served.get(digest)?.model === model;
    for (let more = model.prepare !== undefined; more && isThere();) {
      if (this.#busy && performance.now() < soonMs) await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
      else await this.#nextTurn(async () => void (more = isThere() && ((await model.prepare?.()) ?? false)));
    }
  }

  async #release(digest: string, error: ErrorShape): Promise<void> {
    const served = this.#served.get(digest);
    if (served === undefined) return;
    this.#put(served.giveUp(error, 'all'));
    this.#served.delete(digest);
    for (const pathDigest of served.merged) served.retire(pathDigest);
    await this.#freeDrained(served);
    this.#bygone = sumCounts([this.#bygone, served.model.bank.stats.counts]);
    this.#changed = true;
    await served.model.release();
  }

  /** Loads the model if need be. */
  async #lanesFor({ model }: MergeRequest): Promise<ModelLanes> {
    if (!this.#served.has(model.digest)) {
      this.load(model);
      await this.#loads;
    }
    const lanes = this.#served.get(model.digest);
    if (lanes === undefined) throw new ModelUnloadedError(model.digest);
    return lanes;
  }

  async #addMerged({ model, pathDigest }: MergeRequest, merged: MergedModel, signal: AbortSignal): Promise<boolean> {
    let added = false;
    await this.#nextTurn(() => {
      const lanes = this.#served.get(model.digest);
      if (lanes === undefined || signal.aborted) return;
      lanes.add(pathDigest, merged);
      added = true;
    });
    return added;
  }

  /** Gives back what retired lanes hold whose last row has ended. */
  async #freeDrained(lanes: ModelLanes): Promise<void> {
    const drained = lanes.takeDrained();
    this.#freeing += drained.length;
    for (const { pathDigest, model } of drained) {
      await model.release();
      this.#freeing--;
      this.#merging.free(model.bytes);
      this.#changed = true;
      this.#emit({ type: 'unmerged', pathDigest });
    }
  }

  /** Keeps a request until its model is loaded. */
  #park(request: GenerationRequest): void {
    const parked = this.#parked.get(request.model.digest) ?? [];
    const limit = this.#limits.maxRows + this.#limits.maxWaiting;
    if (parked.length >= limit) throw new OverloadedError(parked.length, limit, 1);
    parked.push(request);
  }

  get #busy(): boolean {
    return [...this.#served.values()].some(({ busy }) => busy);
  }

  /** Runs `task` as soon as no step is under way. */
  #nextTurn(task: () => void | Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#betweenSteps.push(() => Promise.resolve().then(task).then(resolve, reject));
      this.#run();
    });
  }

  #run(): void {
    this.#wake?.();
    if (this.#looping) return;
    this.#looping = true;
    void this.#loop();
  }

  async #loop(): Promise<void> {
    while (this.#busy || this.#betweenSteps.length > 0) {
      for (const task of this.#betweenSteps.splice(0)) await task();
      let ran = false;
      for (const lane of [...this.#served.values()].flatMap(({ lanes }) => lanes)) {
        if (!lane.busy) continue;
        const step = await lane.step();
        this.#put(step.outputs);
        ran ||= step.ran || step.outputs.length > 0;
      }
      for (const lanes of this.#served.values()) await this.#freeDrained(lanes);
      this.#changed = true;
      if (ran) await nextTick();
      else if (this.#busy && this.#betweenSteps.length === 0) await this.#pause();
    }
    this.#looping = false;
    this.#ended?.();
  }

  async #rest(): Promise<void> {
    for (const served of this.#served.values()) await served.rest();
  }

  /** Until an adapter has been read, a command comes, or a little time has passed. */
  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_AGAIN_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  #put(rows: RowOutput[]): void {
    if (rows.length > 0) this.#emit({ type: 'outputs', rows });
  }

  #reportStats(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#emit({ type: 'stats', stats: this.stats });
  }
}

/** Lets what arrived meanwhile, timers and messages, have its turn. */
function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function digestsOf(rows: readonly { adapters: readonly { digest: string }[] }[]): string[] {
  return [...new Set(rows.flatMap(({ adapters }) => adapters.map(({ digest }) => digest)))];
}

function shapeOf(error: unknown): ErrorShape {
  return (error instanceof EspalierError ? error : new EngineFailedError(error)).toShape();
}
