/**
 * The lanes of one loaded model: the factored one, which takes any path, and merged ones, each for one path digest.
 *
 * A row stays in the lane that it began in. So a lane that comes takes what is submitted from then on, and one that goes
 * takes nothing more, and is freed once its last row has ended. All lanes together hold no more rows than one may.
 */
import type { ErrorShape } from '../errors/espalier-error.js';
import { Lane, type LaneName, type LaneTotals } from './lane.js';
import type { EngineLimits, GenerationRequest, RowOutput } from './protocol.js';
import type { Sequence } from './sequence.js';
import type { MergedModel, ServedModel } from './served-model.js';

export interface MergedLane {
  pathDigest: string;
  model: MergedModel;
  lane: Lane;
}

export class ModelLanes {
  readonly model: ServedModel;
  readonly #limits: EngineLimits;
  readonly #totals: Readonly<Record<LaneName, LaneTotals>>;
  readonly #factored: Lane;
  /** By path digest. */
  readonly #merged = new Map<string, MergedLane>();
  /** They end their rows and take no more. */
  readonly #retired = new Set<MergedLane>();

  /** `totals` are counted up, and may be shared with other models. */
  constructor(model: ServedModel, limits: EngineLimits, totals: Readonly<Record<LaneName, LaneTotals>>) {
    this.model = model;
    this.#limits = limits;
    this.#totals = totals;
    this.#factored = this.#lane(model, 'factored');
  }

  get lanes(): Lane[] {
    return [this.#factored, ...[...this.#merged.values(), ...this.#retired].map(({ lane }) => lane)];
  }

  /** Path digests. */
  get merged(): ReadonlySet<string> {
    return new Set(this.#merged.keys());
  }

  /** Whether a lane is on its way out. */
  get draining(): boolean {
    return this.#retired.size > 0;
  }

  get busy(): boolean {
    return this.lanes.some(({ busy }) => busy);
  }

  get running(): Sequence[] {
    return this.lanes.flatMap(({ running }) => running);
  }

  get waiting(): Sequence[] {
    return this.lanes.flatMap(({ waiting }) => waiting);
  }

  /** Throws where the row can't be taken. */
  submit(request: GenerationRequest): void {
    (this.#merged.get(request.pathDigest)?.lane ?? this.#factored).submit(request);
  }

  cancel(id: string): void {
    for (const lane of this.lanes) lane.cancel(id);
  }

  /** See `Lane.giveUp`. */
  giveUp(error: ErrorShape, which: 'all' | 'not begun'): RowOutput[] {
    return this.lanes.flatMap((lane) => lane.giveUp(error, which));
  }

  /** From now on the path's rows run there. */
  add(pathDigest: string, model: MergedModel): void {
    this.retire(pathDigest);
    this.#merged.set(pathDigest, { pathDigest, model, lane: this.#lane(model, 'merged') });
  }

  /** From now on the path's rows run factored. False: there is no such lane. */
  retire(pathDigest: string): boolean {
    const merged = this.#merged.get(pathDigest);
    if (merged === undefined) return false;
    this.#merged.delete(pathDigest);
    this.#retired.add(merged);
    return true;
  }

  /** Between steps. */
  async rest(): Promise<void> {
    await this.model.rest();
    for (const { model } of [...this.#merged.values(), ...this.#retired]) await model.rest();
  }

  /** Retired lanes whose rows have ended. They are no longer held: whoever takes them frees them, between steps. */
  takeDrained(): MergedLane[] {
    const drained = [...this.#retired].filter(({ lane }) => !lane.busy);
    for (const merged of drained) this.#retired.delete(merged);
    return drained;
  }

  #lane(model: MergedModel | ServedModel, name: LaneName): Lane {
    const lane: Lane = new Lane(model, this.#limits, this.#totals[name], {
      name,
      rowsElsewhere: () => this.lanes.reduce((rows, other) => rows + (other === lane ? 0 : other.running.length), 0),
    });
    return lane;
  }
}
