/**
 * Keeps an engine process running, and is the service's handle on it.
 *
 * A process that ends takes its requests along, each with `engine_died`, and is started again after a growing delay;
 * the models that it had are loaded again. Meanwhile requests are turned away with `engine_restarting`, and loads wait.
 */
import { fileURLToPath } from 'node:url';
import { EngineDiedError, EngineRestartingError, EngineStoppingError } from '../errors/engine.js';
import { EspalierError } from '../errors/espalier-error.js';
import { InvalidRequestError } from '../errors/requests.js';
import type { Logger } from '../logger.js';
import { Admission } from './admission.js';
import type { EngineClient, EngineState } from './engine-client.js';
import { EngineProcess } from './engine-process.js';
import { ModelLoads } from './model-loads.js';
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
import { Quarantine } from './quarantine.js';
import { RestartBackoff } from './restart-backoff.js';
import { RowStream } from './row-stream.js';
import { type MergeState, WantedMerges } from './wanted-merges.js';

/** Beside this file in the built service. */
const PROCESS_FILE = fileURLToPath(new URL('./process.js', import.meta.url));

/** Outputs of one request that may lie unread: a thousand tokens. */
const MAX_UNREAD = 1024;
/** How long after the grace period a process that doesn't end is killed. */
const KILL_AFTER_MS = 2_000;

export interface SupervisorOptions {
  logger: Logger;
  /** The built entry of the engine process. */
  processFile?: string;
}

/** A row that the engine process has. */
interface InFlight {
  request: GenerationRequest;
  stream: RowStream;
  admission: Admission;
}

export class EngineSupervisor implements EngineClient {
  readonly #limits: EngineLimits;
  readonly #logger: Logger;
  readonly #processFile: string;
  readonly #backoff = new RestartBackoff();
  readonly #quarantine = new Quarantine();
  readonly #models = new ModelLoads((model) => this.#process?.send({ type: 'load', model }));
  readonly #merges = new WantedMerges((merge) => this.#process?.send({ type: 'merge', merge }));
  /** Pinned adapters, by base digest. */
  readonly #pins = new Map<string, AdapterUse[]>();
  /** By base digest. */
  readonly #admissions = new Map<string, Admission>();
  readonly #inFlight = new Map<string, InFlight>();
  readonly #unloads = new Map<string, (() => void)[]>();
  #state: EngineState = 'starting';
  #stats: EngineStats | null = null;
  #process: EngineProcess | null = null;
  #readyAtMs = 0;
  #restart: { timer: NodeJS.Timeout; atMs: number } | null = null;
  #stopped: Promise<void> | null = null;
  #onEnded: (() => void) | null = null;

  private constructor(limits: EngineLimits, { logger, processFile = PROCESS_FILE }: SupervisorOptions) {
    this.#limits = limits;
    this.#logger = logger;
    this.#processFile = processFile;
  }

  /** Starts the process. Requests and loads may come at once; they wait until it is ready. */
  static start(limits: EngineLimits, options: SupervisorOptions): EngineSupervisor {
    const supervisor = new EngineSupervisor(limits, options);
    supervisor.#fork();
    return supervisor;
  }

  get state(): EngineState {
    return this.#state;
  }

  get stats(): EngineStats | null {
    return this.#stats;
  }

  get loadedModels(): ReadonlySet<string> {
    return this.#models.loaded;
  }

  /** Of the engine process, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  load(model: ModelSource): Promise<void> {
    if (this.#isStopping) return Promise.reject(new EngineStoppingError());
    return this.#models.load(model);
  }

  async unload(digest: string): Promise<void> {
    this.#models.forget(digest);
    this.#merges.dropAll(digest);
    if (this.#process === null) return;
    await new Promise<void>((resolve) => {
      this.#unloads.set(digest, [...(this.#unloads.get(digest) ?? []), resolve]);
      this.#process?.send({ type: 'unload', digest });
    });
  }

  merge(request: MergeRequest): void {
    if (!this.#isStopping) this.#merges.want(request);
  }

  unmerge(pathDigest: string): void {
    if (this.#merges.state(pathDigest) === null) return;
    this.#merges.drop(pathDigest);
    this.#process?.send({ type: 'unmerge', pathDigest });
  }

  mergeState(pathDigest: string): MergeState | null {
    return this.#merges.state(pathDigest);
  }

  onMerge(listener: (pathDigest: string) => void): () => void {
    return this.#merges.onChange(listener);
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncGenerator<RowOutput, void, undefined> {
    if (signal.aborted) return;
    this.#assertServing();
    this.#quarantine.check(request.pathDigest);
    if (this.#inFlight.has(request.id))
      throw new InvalidRequestError(`The request id "${request.id}" is in use.`, 'id');
    const admission = this.#admission(request.model.digest);
    admission.enter();
    const stream = new RowStream(MAX_UNREAD);
    const inFlight: InFlight = { request, stream, admission };
    this.#inFlight.set(request.id, inFlight);
    this.#models.mention(request.model);
    this.#process?.send({ type: 'submit', request });
    // At once, for a reader that waits for its own client doesn't ask for the next output.
    const leave = () => {
      stream.close();
      this.#cancel(inFlight);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      for (;;) {
        const output = await stream.next();
        if (output === null) return;
        yield output;
        if (output.finish !== undefined) return;
      }
    } finally {
      signal.removeEventListener('abort', leave);
      this.#cancel(inFlight);
    }
  }

  pin(digest: string, adapters: AdapterUse[]): void {
    this.#pins.set(digest, adapters);
    this.#process?.send({ type: 'pin', digest, adapters });
  }

  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  get #isStopping(): boolean {
    return this.#state === 'stopping' || this.#state === 'stopped';
  }

  #assertServing(): void {
    if (this.#isStopping) throw new EngineStoppingError();
    if (this.#state === 'restarting') {
      const leftMs = Math.max(0, (this.#restart?.atMs ?? 0) - Date.now());
      throw new EngineRestartingError(1 + Math.ceil(leftMs / 1000));
    }
  }

  #admission(digest: string): Admission {
    const admission = this.#admissions.get(digest) ?? new Admission(this.#limits);
    this.#admissions.set(digest, admission);
    return admission;
  }

  /** Takes a row out of the engine if it is still in there. */
  #cancel(inFlight: InFlight): void {
    const { id } = inFlight.request;
    if (this.#inFlight.get(id) !== inFlight) return;
    this.#left(inFlight);
    this.#process?.send({ type: 'cancel', id });
  }

  /** Its place is free, whether or not what it put out has been read. */
  #left({ request, admission }: InFlight): void {
    this.#inFlight.delete(request.id);
    admission.leave();
  }

  #fork(): void {
    this.#restart = null;
    let child: EngineProcess;
    try {
      child = new EngineProcess(this.#processFile, {
        event: (event) => this.#receive(event),
        ended: (how) => this.#ended(how),
      });
    } catch (error) {
      // Where memory is short, Node throws instead of telling the listener; what took it may be gone at the next try.
      return this.#ended(error instanceof Error ? error.message : String(error));
    }
    this.#process = child;
    child.send({ type: 'configure', limits: this.#limits });
    for (const [digest, adapters] of this.#pins) child.send({ type: 'pin', digest, adapters });
    this.#models.processStarted();
    this.#merges.processStarted();
  }

  #receive(event: EngineEvent): void {
    switch (event.type) {
      case 'ready':
        if (!this.#isStopping) this.#state = 'ready';
        this.#readyAtMs = Date.now();
        return;
      case 'loaded':
        this.#logger.info(
          { model: event.digest, device: event.device, ...event.weights, bytes: event.bytes, seconds: event.seconds },
          'model loaded',
        );
        return this.#models.loadedNow(event.digest);
      case 'loadFailed':
        this.#logger.error(
          { model: event.digest, folder: event.folder, reason: event.reason },
          'model could not be loaded',
        );
        return this.#models.failed(event.digest, EspalierError.from(event.error));
      case 'hampered':
        return this.#logger.warn({ model: event.digest, reason: event.reason }, 'model is slower than it might be');
      case 'unloaded':
        this.#unloads.get(event.digest)?.forEach((resolve) => resolve());
        this.#unloads.delete(event.digest);
        return;
      case 'adapterFailed':
        return this.#logger.error({ adapter: event.digest, reason: event.reason }, 'adapter could not be loaded');
      case 'merged':
        this.#logger.info({ path: event.pathDigest, bytes: event.bytes, seconds: event.seconds }, 'path merged');
        return this.#merges.ready(event.pathDigest, event.bytes, event.seconds);
      case 'mergeFailed':
        this.#logger.error({ path: event.pathDigest, reason: event.reason }, 'path could not be merged');
        return this.#merges.failed(event.pathDigest, event.error);
      case 'unmerged':
        return this.#logger.info({ path: event.pathDigest }, 'path unmerged');
      case 'outputs':
        for (const row of event.rows) this.#deliver(row);
        return;
      case 'stats':
        this.#stats = event.stats;
        return;
      case 'stopped':
        return;
    }
  }

  #deliver(row: RowOutput): void {
    const inFlight = this.#inFlight.get(row.id);
    if (inFlight === undefined) return;
    if (row.error !== undefined) {
      this.#left(inFlight);
      inFlight.stream.fail(EspalierError.from(row.error));
    } else if (!inFlight.stream.push(row)) {
      this.#cancel(inFlight);
    } else if (row.finish !== undefined) {
      this.#left(inFlight);
      this.#quarantine.acquit(inFlight.request.pathDigest);
    }
  }

  #ended(how: string): void {
    this.#process = null;
    this.#stats = null;
    const stopping = this.#isStopping;
    const rows = [...this.#inFlight.values()];
    for (const inFlight of rows) {
      this.#left(inFlight);
      inFlight.stream.fail(stopping ? new EngineStoppingError() : new EngineDiedError(how));
    }
    for (const resolve of [...this.#unloads.values()].flat()) resolve();
    this.#unloads.clear();
    this.#onEnded?.();
    if (stopping) return;
    this.#state = 'restarting';
    this.#quarantine.died(rows.map(({ request }) => request.pathDigest));
    const error = new EngineDiedError(how);
    this.#models.processDied(error);
    this.#merges.processDied(error.toShape());
    const delayMs = this.#backoff.next(this.#readyAtMs === 0 ? 0 : Date.now() - this.#readyAtMs);
    this.#readyAtMs = 0;
    this.#logger.error({ how, requests: rows.length, restartInMs: delayMs }, 'engine process ended');
    this.#restart = { timer: setTimeout(() => this.#fork(), delayMs), atMs: Date.now() + delayMs };
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping';
    if (this.#restart !== null) clearTimeout(this.#restart.timer);
    const child = this.#process;
    if (child !== null) {
      const ended = new Promise<void>((resolve) => (this.#onEnded = resolve));
      child.send({ type: 'shutdown', graceMs });
      const killer = setTimeout(() => child.kill(), graceMs + KILL_AFTER_MS);
      await ended;
      clearTimeout(killer);
    }
    this.#models.stop(new EngineStoppingError());
    this.#state = 'stopped';
  }
}
