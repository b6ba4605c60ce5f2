/**
 * What the LoRA ports of a run are fed: the bank's rank rows for the shared ones, slots for the private ones. How a
 * batch's nodes are split between them is planned when the batch changes, not at every step.
 *
 * Each KV capacity has slots of its own, since its rows run together again and again; prompts have theirs.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../formats/checkpoint/modules.js';
import type { AdapterBank } from './adapter-bank.js';
import { PORT_COSTS } from './port-costs.js';
import {
  EVERYTHING_SHARED,
  joinsRuns,
  planByCost,
  type PlanBatch,
  type PortPlan,
  type PortPlanner,
} from './port-plan.js';
import type { AdapterUse } from './protocol.js';
import type { RankFeeds, RankPart, RankRun, RankSource } from './rank-feeds.js';
import { Slots, type SlotTensors } from './slots.js';

/** Steps that a row which decodes is expected to stay in its slot. */
const DECODING_LIFETIME = 32;
/** Runs after which slots that were not fed are let go. */
const MAX_REST = 64;
/** Of slots for prompts: no capacity. */
const PROMPTS = -1;
/** Of slots for rows of two capacities that decode in one run. */
const TOGETHER = -2;

interface SlotSet {
  slots: Slots;
  lastRun: number;
  /** The batch that `plan` is for. */
  key: string;
  plan: PortPlan;
}

export class LoraPorts implements RankSource {
  readonly #config: ModelConfig;
  readonly #bank: AdapterBank;
  readonly #widths: readonly number[];
  readonly #slotBudget: number;
  /** Floats that a run reads of the base, as many as would take its bytes. */
  readonly #weights: number;
  /** By KV capacity. */
  #sets = new Map<number, SlotSet>();
  #planner: PortPlanner = planByCost(PORT_COSTS);
  readonly #setsOfPlanner = new WeakMap<PortPlanner, Map<number, SlotSet>>([[this.#planner, this.#sets]]);
  /** Empty slots, by number of rows. */
  readonly #empty = new Map<number, SlotTensors>();
  readonly #paths = new WeakMap<readonly AdapterUse[], number>();
  #pathCount = 0;
  #runs = 0;
  /** How many runs there had been when `rest` was called last. */
  #runsAtRest = 0;

  /** `weightBytes`: of the base in memory. */
  constructor(config: ModelConfig, bank: AdapterBank, weightBytes: number) {
    this.#config = config;
    this.#bank = bank;
    const modules = linearModules(config);
    this.#widths = PROJECTIONS.map((projection) =>
      modules
        .filter((module) => module.projection === projection && projection !== 'lm_head')
        .reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures, 0),
    );
    this.#weights = weightBytes / Float32Array.BYTES_PER_ELEMENT;
    bank.slotBytes = () => this.bytes;
    // As many rank rows in slots, at most, as the bank may hold.
    this.#slotBudget = bank.rankBudget * this.#widths.reduce((sum, width) => sum + width, 0);
  }

  /** Of the slots. */
  get bytes(): number {
    return [...this.#sets.values()].reduce((sum, { slots }) => sum + slots.bytes, 0);
  }

  /** Lets go of slots that were not fed since the last call. */
  rest(): void {
    for (const [name, { lastRun }] of this.#sets) if (lastRun <= this.#runsAtRest) this.#sets.delete(name);
    this.#runsAtRest = this.#runs;
  }

  /** Benchmarks and tests put another in its place, which gets slots of its own. */
  set planner(planner: PortPlanner) {
    const sets = this.#setsOfPlanner.get(planner) ?? new Map<number, SlotSet>();
    this.#setsOfPlanner.set(planner, sets);
    this.#planner = planner;
    this.#sets = sets;
  }

  feed({ parts, alone }: RankRun): RankFeeds {
    this.#runs++;
    const whole = oneLength(parts);
    const digests = new Set(parts.flatMap(({ rows }) => rows.flatMap(({ adapters }) => adapters.map(digestOf))));
    const set = whole === null || alone || digests.size === 0 ? undefined : this.#setOf(whole);
    const plan = set?.plan ?? EVERYTHING_SHARED;
    const shared = new Set([...digests].filter((digest) => !plan.has(digest)));
    const tokens = parts.reduce((sum, part) => sum + part.rows.length * part.tokens, 0);
    const feeds = this.#bank.feed(shared, tokens, alone, digests);
    return {
      used: plan.size > 0 ? 'ports' : feeds.some(({ rows }) => rows > 0) ? 'shared' : 'none',
      shared: feeds,
      slotted: plan,
      slots:
        set === undefined || whole === null || plan.size === 0
          ? this.#emptySlots(whole?.rows.length ?? 1)
          : set.slots.feed(
              whole.rows.map(({ adapters }) => adapters.filter(({ digest }) => plan.has(digest))),
              this.#bank,
            ),
    };
  }

  /** Whether one run for both costs less than a run for each. The second is taken to have everything shared. */
  joins(first: RankPart, second: RankPart): boolean {
    if (oneLength([first, second]) !== null) return true;
    const { plan } = this.#setOf(first);
    return joinsRuns(PORT_COSTS, this.#batchOf(first), plan, this.#batchOf(second), this.#weights);
  }

  #setOf({ rows, tokens, capacity }: RankPart): SlotSet {
    const name = tokens === 1 ? capacity : PROMPTS;
    const set = this.#sets.get(name) ?? {
      slots: new Slots(this.#config),
      lastRun: 0,
      key: '',
      plan: EVERYTHING_SHARED,
    };
    this.#sets.set(name, set);
    set.lastRun = this.#runs;
    const key = `${tokens} ${rows.map(({ adapters }) => this.#pathNumber(adapters)).join()}`;
    if (set.key === key) return set;
    let others = 0;
    for (const [other, { slots, lastRun }] of this.#sets) {
      if (lastRun < this.#runs - MAX_REST) this.#sets.delete(other);
      else if (other !== name) others += slots.bytes;
    }
    const slotBudget = this.#slotBudget - others / Float32Array.BYTES_PER_ELEMENT;
    set.plan = this.#planner({ ...this.#batchOf({ rows, tokens }), slotBudget });
    set.key = key;
    return set;
  }

  #batchOf({ rows, tokens }: Pick<RankPart, 'rows' | 'tokens'>): PlanBatch {
    return {
      rows: rows.map(({ adapters }) => adapters.map(({ digest }) => digest)),
      tokens,
      ranksOf: (digest) => this.#bank.ranksOf(digest),
      widths: this.#widths,
      layers: this.#config.layers,
      slotBudget: this.#slotBudget,
      lifetime: tokens === 1 ? DECODING_LIFETIME : 1,
    };
  }

  /** The same for the same array, which a row keeps while its path doesn't change. */
  #pathNumber(adapters: readonly AdapterUse[]): number {
    const number = this.#paths.get(adapters) ?? this.#pathCount++;
    this.#paths.set(adapters, number);
    return number;
  }

  #emptySlots(rows: number): SlotTensors {
    const known = this.#empty.get(rows);
    if (known !== undefined) return known;
    const nothing = Array.from({ length: rows }, () => []);
    const tensors = new Slots(this.#config).feed(nothing, this.#bank);
    this.#empty.set(rows, tensors);
    return tensors;
  }
}

/** All parts as one where their rows are of one length, so that they can have slots; else null. */
function oneLength(parts: readonly RankPart[]): RankPart | null {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first ?? null;
  if (parts.some(({ tokens }) => tokens !== 1)) return null;
  return { rows: parts.flatMap(({ rows }) => rows), tokens: 1, capacity: TOGETHER };
}

function digestOf({ digest }: AdapterUse): string {
  return digest;
}
