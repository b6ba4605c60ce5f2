/**
 * What the LoRA ports of a run are fed: the bank's rank rows for the shared ones, slots for the private ones. How a
 * batch's nodes are split between them is planned when the batch changes, not at every step.
 *
 * Each KV capacity has slots of its own, since its rows run together again and again; prompts have theirs.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../formats/checkpoint/modules.js';
import type { AdapterBank } from './adapter-bank.js';
import type { UsedPorts } from './graph-forms.js';
import { PORT_COSTS } from './port-costs.js';
import {
  EVERYTHING_SHARED,
  joinsRuns,
  planByCost,
  type PlanBatch,
  type PlannedBatch,
  type PortPlan,
  type PortPlanner,
} from './port-plan.js';
import type { AdapterUse } from './protocol.js';
import type { RankFeeds, RankPart, RankRun, RankSource } from './rank-feeds.js';
import type { RankFeed } from './rank-rows.js';
import type { RunnerRow } from './runner.js';
import { Slots, type SlotTensors } from './slots.js';

/** Steps that a row which decodes is expected to stay in its slot. */
const DECODING_LIFETIME = 32;
/** Chunks in which a prompt is read beside rows that decode. */
const PROMPT_LIFETIME = 4;
/** Runs after which slots that were not fed are let go. */
const MAX_REST = 64;

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
  /** By `nameOf`. */
  #sets = new Map<string, SlotSet>();
  #planner: PortPlanner = planByCost(PORT_COSTS);
  readonly #setsOfPlanner = new WeakMap<PortPlanner, Map<string, SlotSet>>([[this.#planner, this.#sets]]);
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
    const sets = this.#setsOfPlanner.get(planner) ?? new Map<string, SlotSet>();
    this.#setsOfPlanner.set(planner, sets);
    this.#planner = planner;
    this.#sets = sets;
  }

  feed({ parts, alone }: RankRun): RankFeeds {
    this.#runs++;
    const digests = new Set(parts.flatMap(({ rows }) => rows.flatMap(({ adapters }) => adapters.map(digestOf))));
    const sets = alone || digests.size === 0 ? [] : this.#setsOf(parts);
    const plans = parts.map((_, part) => sets[part]?.plan ?? EVERYTHING_SHARED);
    const shared = new Set(
      parts.flatMap(({ rows }, part) =>
        rows.flatMap(({ adapters }) => adapters.map(digestOf).filter((digest) => !plans[part]?.has(digest))),
      ),
    );
    const tokens = parts.reduce((sum, part) => sum + part.rows.length * part.tokens, 0);
    const feeds = this.#bank.feed(shared, tokens, alone, digests);
    const slots = parts.map(({ rows }, part) => this.#slotsOf(rows, sets[part]));
    return {
      used: plans.some(({ size }) => size > 0) ? 'ports' : usedOf(parts, feeds),
      shared: feeds,
      slotted: plans,
      slots: parts.length > 1 ? slots : [...slots, this.#emptySlots(1)],
    };
  }

  /** Whether one run for both costs less than a run for each. */
  joins(first: RankPart, second: RankPart): boolean {
    const [one, other] = this.#setsOf([first, second]).map(({ plan }, part) => ({
      batch: this.#batchOf(part === 0 ? first : second),
      plan,
    })) as [PlannedBatch, PlannedBatch];
    return joinsRuns(PORT_COSTS, one, other, this.#weights);
  }

  #slotsOf(rows: readonly RunnerRow[], set: SlotSet | undefined): SlotTensors {
    if (set === undefined || set.plan.size === 0) return this.#emptySlots(rows.length);
    return set.slots.feed(
      rows.map(({ adapters }) => adapters.filter(({ digest }) => set.plan.has(digest))),
      this.#bank,
    );
  }

  /** Of each part; a second one is planned beside the first. */
  #setsOf([first, second]: readonly RankPart[]): SlotSet[] {
    if (first === undefined) return [];
    const name = nameOf(first);
    const set = this.#setOf(name, first);
    if (second === undefined) return [set];
    const ofSecond = nameOf(second) === name ? `${name} beside` : nameOf(second);
    return [set, this.#setOf(ofSecond, second, { part: first, set })];
  }

  #setOf(name: string, part: RankPart, beside?: { part: RankPart; set: SlotSet }): SlotSet {
    const set = this.#sets.get(name) ?? {
      slots: new Slots(this.#config),
      lastRun: 0,
      key: '',
      plan: EVERYTHING_SHARED,
    };
    this.#sets.set(name, set);
    set.lastRun = this.#runs;
    const key = `${this.#keyOf(part)} ${beside === undefined ? '' : this.#keyOf(beside.part)}`;
    if (set.key === key) return set;
    let others = 0;
    for (const [other, { slots, lastRun }] of this.#sets) {
      if (lastRun < this.#runs - MAX_REST) this.#sets.delete(other);
      else if (other !== name) others += slots.bytes;
    }
    const slotBudget = this.#slotBudget - others / Float32Array.BYTES_PER_ELEMENT;
    set.plan = this.#planner(
      { ...this.#batchOf(part), slotBudget },
      beside && { batch: this.#batchOf(beside.part), plan: beside.set.plan },
    );
    set.key = key;
    return set;
  }

  #keyOf({ rows, tokens }: RankPart): string {
    return `${tokens} ${rows.map(({ adapters }) => this.#pathNumber(adapters)).join()}`;
  }

  #batchOf({ rows, tokens }: Pick<RankPart, 'rows' | 'tokens'>): PlanBatch {
    return {
      rows: rows.map(({ adapters }) => adapters.map(({ digest }) => digest)),
      tokens,
      ranksOf: (digest) => this.#bank.ranksOf(digest),
      widths: this.#widths,
      layers: this.#config.layers,
      slotBudget: this.#slotBudget,
      lifetime: tokens === 1 ? DECODING_LIFETIME : PROMPT_LIFETIME,
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

/** Of shared ports alone. */
function usedOf(parts: readonly RankPart[], feeds: readonly RankFeed[]): UsedPorts {
  if (feeds.every(({ rows }) => rows === 0)) return 'none';
  const [path = [], ...others] = parts.flatMap(({ rows }) => rows.map(({ adapters }) => adapters));
  const isPlain = path.every(
    ({ digest, weight }, i) => weight === 1 && path.findIndex((use) => use.digest === digest) === i,
  );
  const isOne = isPlain && others.every((other) => other === path || isSamePath(other, path));
  // A window on the bank may show rows of adapters that nobody here has.
  const isAll = ({ rows, spans }: RankFeed): boolean =>
    rows === path.reduce((sum, { digest }) => sum + (spans.get(digest)?.rank ?? 0), 0);
  return isOne && feeds.every(isAll) ? 'path' : 'shared';
}

function isSamePath(one: readonly AdapterUse[], other: readonly AdapterUse[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ digest, weight }, i) => digest === other[i]?.digest && weight === other[i].weight)
  );
}

/** Rows of one KV capacity run together again and again. */
function nameOf({ tokens, capacity }: RankPart): string {
  return tokens === 1 ? String(capacity) : 'prompts';
}

function digestOf({ digest }: AdapterUse): string {
  return digest;
}
