/**
 * Keeps the engine's merged lanes as the pins, the tree and the traffic want them.
 *
 * It looks after every commit, here or elsewhere, whenever a merge ends, and now and then. When a pinned path comes to
 * mean something else, the lane of what it meant stays until the new one is ready, as far as there is memory for both:
 * no request of the new meaning runs there, since lanes are found by path digest, but those that run end undisturbed and
 * a way back costs nothing.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../config.js';
import { ENGINE, type EngineClient } from '../../engine/engine-client.js';
import { gpuMergedLaneBytes, mergedLaneBytes } from '../../engine/merged-size.js';
import { EspalierError, type ErrorShape } from '../../errors/espalier-error.js';
import { MergeFailedError } from '../../errors/merges.js';
import { PathNotFoundError } from '../../errors/paths.js';
import { LOGGER, type Logger } from '../../logger.js';
import type { ResolvedPath } from '../../tree/resolved-path.js';
import { RecurringLook } from '../recurring-look.js';
import { RegistryEvents } from '../registry-events.js';
import { RegistryService } from '../registry.service.js';
import { TreeMirror } from '../tree-mirror.js';
import type { MergePin } from './merge-pin.js';
import type { MergeDto } from './merge.dto.js';
import { PathTraffic } from './path-traffic.js';
import { mergedForTraffic } from './traffic-policy.js';

const LOOK_EVERY_MS = 5_000;
const OVER_BUDGET = 'merged_budget_exceeded';
/** What failed for a reason that may pass is tried again after this. */
const RETRY_AFTER_MS = 60_000;
/** These won't pass: merging again would take the engine process down again. */
const LASTING = new Set(['engine_died']);

/** What was asked of the engine, by path digest. */
interface AskedLane {
  resolved: ResolvedPath;
  /** When it was asked for first, or again because its engine died. */
  askedAtMs: number;
  /** From then to ready. */
  seconds: number | null;
  /** Why it could not even be asked for. */
  error: ErrorShape | null;
}

/** What is known of a path's lane. */
export type LaneStatus = Pick<MergeDto, 'digest' | 'state' | 'reason' | 'seconds' | 'bytes'>;

@Injectable()
export class MergedPaths implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #lanes = new Map<string, AskedLane>();
  /** The digest that each pin had when it was looked at last. */
  readonly #digestOf = new Map<string, string>();
  /** Digest of a lane that is being made → that of the one that it replaces. */
  readonly #replaces = new Map<string, string>();
  /** Since when paths are merged for their traffic, by digest. */
  readonly #automatic = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  readonly #looks = new RecurringLook(
    LOOK_EVERY_MS,
    () => this.#look(),
    (error) => this.logger.error({ err: error }, 'merged paths could not be looked after'),
  );

  constructor(
    private readonly mirror: TreeMirror,
    private readonly registry: RegistryService,
    private readonly events: RegistryEvents,
    private readonly traffic: PathTraffic,
    @Inject(ENGINE) private readonly engine: EngineClient,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#stops.push(
      this.events.subscribe(() => this.look()),
      this.engine.onMerge((digest) => this.#changed(digest)),
    );
    this.#looks.start();
  }

  async onApplicationShutdown(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#looks.stop();
  }

  /** Soon, and once for all that has happened meanwhile. */
  look(): void {
    this.#looks.soon();
  }

  status(pin: MergePin): LaneStatus {
    const meant = this.#meaning(pin);
    if ('code' in meant) return failed(null, meant);
    return this.#laneStatus(meant.digest);
  }

  /** Merged here for their traffic. */
  automatic(): { resolved: ResolvedPath; sinceMs: number; status: LaneStatus }[] {
    return [...this.#automatic].flatMap(([digest, sinceMs]) => {
      const lane = this.#lanes.get(digest);
      return lane ? [{ resolved: lane.resolved, sinceMs, status: this.#laneStatus(digest) }] : [];
    });
  }

  /** What pinned lanes will take, `more` included. */
  pinnedBytes(more: ResolvedPath): number {
    const wanted = new Map([...this.#pinned().values(), more].map((resolved) => [resolved.digest, resolved]));
    return [...wanted.values()].reduce((sum, resolved) => sum + this.laneBytes(resolved), 0);
  }

  laneBytes({ model }: ResolvedPath): number {
    const { config, quantization } = this.registry.model(model.id);
    const { device, dtype } = this.engine.stats ?? {};
    // Before a model has been loaded nobody knows the device; the engine counts anew when it merges.
    if (device === 'webgpu' && dtype !== undefined) return gpuMergedLaneBytes(config, dtype);
    return mergedLaneBytes(config, quantization);
  }

  /** One that failed is tried again. */
  retry(digest: string): void {
    if (this.#laneStatus(digest).state === 'failed') this.#lanes.delete(digest);
    this.look();
  }

  async #look(): Promise<void> {
    const pins = this.#pinned();
    const wanted = new Map([...pins.values()].map((resolved) => [resolved.digest, resolved]));
    this.#followPins(pins);
    this.#forgetPassing();
    for (const resolved of this.#choose(wanted)) wanted.set(resolved.digest, resolved);
    if (this.#drop(wanted)) this.#retryForRoom(wanted);
    for (const resolved of wanted.values()) if (!this.#lanes.has(resolved.digest)) await this.#ask(resolved);
  }

  /** What each pin means now, if anything. */
  #pinned(): Map<string, ResolvedPath> {
    const pins = new Map<string, ResolvedPath>();
    for (const pin of this.mirror.mergePins()) {
      const meant = this.#meaning(pin);
      if (!('code' in meant)) pins.set(pin.id, meant);
    }
    return pins;
  }

  #meaning({ path, nodeId }: MergePin): ResolvedPath | ErrorShape {
    try {
      const resolved = this.mirror.tree.resolve(path);
      // Another node may have taken the name.
      if (resolved.steps.at(-1)?.nodeId !== nodeId) throw new PathNotFoundError(path, []);
      return resolved;
    } catch (error) {
      return shapeOf(error);
    }
  }

  #followPins(pins: ReadonlyMap<string, ResolvedPath>): void {
    for (const [id, { digest }] of pins) {
      const before = this.#digestOf.get(id);
      if (before !== undefined && before !== digest) this.#replaces.set(digest, before);
      this.#digestOf.set(id, digest);
    }
    for (const id of this.#digestOf.keys()) if (!pins.has(id)) this.#digestOf.delete(id);
  }

  #forgetPassing(): void {
    for (const [digest, { askedAtMs }] of this.#lanes) {
      const error = this.#failure(digest);
      const mayPass = error !== null && error.status >= 500 && !LASTING.has(error.code);
      if (mayPass && Date.now() - askedAtMs > RETRY_AFTER_MS) this.#lanes.delete(digest);
    }
  }

  /** Paths to merge for their traffic. */
  #choose(pinned: ReadonlyMap<string, ResolvedPath>): ResolvedPath[] {
    if (this.config.mergePolicy === 'off') return [];
    const taken = [...pinned.values()].reduce((sum, resolved) => sum + this.laneBytes(resolved), 0);
    const isShort = [...pinned.keys()].some((digest) => this.#isOverBudget(digest));
    const nowMs = Date.now();
    const chosen = mergedForTraffic({
      paths: this.traffic
        .shares(nowMs)
        .filter(({ resolved }) => !pinned.has(resolved.digest) && this.#isMeant(resolved)),
      since: this.#automatic,
      bytes: ({ resolved }) => this.laneBytes(resolved),
      freeBytes: isShort ? 0 : this.config.engine.mergedBudgetBytes - taken,
      nowMs,
    }).map(({ resolved }) => resolved);
    const digests = new Set(chosen.map(({ digest }) => digest));
    for (const digest of this.#automatic.keys()) if (!digests.has(digest)) this.#automatic.delete(digest);
    for (const digest of digests) if (!this.#automatic.has(digest)) this.#automatic.set(digest, nowMs);
    return chosen;
  }

  /** Whether a path that was asked for still means the same. */
  #isMeant({ path, digest }: ResolvedPath): boolean {
    try {
      return this.mirror.tree.resolve(path).digest === digest;
    } catch {
      return false; // It is gone or disabled, and its next request will be told why.
    }
  }

  /** Gives up lanes that nobody wants, but for those whose successor is being made. True: there were some. */
  #drop(wanted: ReadonlyMap<string, ResolvedPath>): boolean {
    const kept = new Set<string>();
    for (const [digest, before] of this.#replaces) {
      const state = this.engine.mergeState(digest)?.state;
      const isComing = wanted.has(digest) && (state === 'pending' || !this.#lanes.has(digest));
      if (isComing && this.engine.mergeState(before)?.state === 'ready') kept.add(before);
      else this.#replaces.delete(digest);
    }
    let dropped = false;
    for (const digest of this.#lanes.keys()) {
      if (wanted.has(digest) || kept.has(digest)) continue;
      this.engine.unmerge(digest);
      this.#lanes.delete(digest);
      dropped = true;
    }
    return dropped;
  }

  /** There is room now that wasn't there before. */
  #retryForRoom(wanted: ReadonlyMap<string, ResolvedPath>): void {
    for (const digest of wanted.keys()) if (this.#isOverBudget(digest)) this.#lanes.delete(digest);
  }

  #isOverBudget(digest: string): boolean {
    return this.#failure(digest)?.code === OVER_BUDGET;
  }

  #failure(digest: string): ErrorShape | null {
    const state = this.engine.mergeState(digest);
    return this.#lanes.get(digest)?.error ?? (state?.state === 'failed' ? state.error : null);
  }

  async #ask(resolved: ResolvedPath): Promise<void> {
    const { digest } = resolved;
    const lane: AskedLane = { resolved, askedAtMs: Date.now(), seconds: null, error: null };
    this.#lanes.set(digest, lane);
    try {
      const adapters = await this.registry.adapterUses(resolved);
      // It may have been unpinned while files were fetched.
      if (this.#looks.stopped || this.#lanes.get(digest) !== lane) return;
      this.engine.merge({ model: this.registry.modelSource(resolved.model.id), pathDigest: digest, adapters });
    } catch (error) {
      lane.error = shapeOf(error);
      this.logger.error({ err: error, path: resolved.path }, 'path could not be merged');
    }
  }

  #changed(digest: string): void {
    const lane = this.#lanes.get(digest);
    const state = this.engine.mergeState(digest)?.state;
    if (lane !== undefined && state === 'ready') lane.seconds = (Date.now() - lane.askedAtMs) / 1000;
    if (lane !== undefined && state === 'pending' && lane.seconds !== null) {
      lane.askedAtMs = Date.now();
      lane.seconds = null;
    }
    if (state === 'ready' || state === 'failed') this.look();
  }

  #laneStatus(digest: string): LaneStatus {
    const error = this.#failure(digest);
    const state = this.engine.mergeState(digest);
    if (error) return failed(digest, error);
    if (state?.state !== 'ready') return { digest, state: 'pending', reason: null, seconds: null, bytes: null };
    return {
      digest,
      state: 'ready',
      reason: null,
      seconds: this.#lanes.get(digest)?.seconds ?? null,
      bytes: state.bytes,
    };
  }
}

function failed(digest: string | null, { code, message }: ErrorShape): LaneStatus {
  return { digest, state: 'failed', reason: { code, message }, seconds: null, bytes: null };
}

function shapeOf(error: unknown): ErrorShape {
  const { code, status, message } = error instanceof EspalierError ? error : new MergeFailedError(error);
  return { code, status, message };
}
