/**
 * What one session is fed from run to run. Hundreds of tensors, most of which are those of the last run: only what changes
 * is touched.
 */
import { ATTENTION_BIAS, beside, IS_BESIDE } from '../graph/ports.js';
import type { BatchInputs, BatchPart } from './batch-inputs.js';
import type { FormSession } from './graph-forms.js';
import { bool, type InputTensor } from './ort.js';
import type { RankFeeds } from './rank-feeds.js';

export type NamedTensors = readonly (readonly [string, InputTensor])[];

/** A part of a run, and what of the cache it is fed. */
export interface PlacedPart extends BatchPart {
  past: NamedTensors;
}

// One token each of no row: the runtime can't reshape to two sizes of 0.
const NOBODY: BatchPart = { rows: [], ordered: [], tokens: 1, capacity: 0 };
const NO_RANKS: RankFeeds = { used: 'none', shared: [], slotted: [], slots: [] };
const THERE = bool(true);

export class SessionFeeds {
  readonly #form: FormSession;
  readonly #inputs: BatchInputs;
  readonly #feeds: Record<string, InputTensor> = {};
  readonly #ranksFed: NamedTensors[] = [];
  #slotsBeside: NamedTensors = [];
  #pastFed: NamedTensors = [];
  /** What a second part is fed that isn't there; null where the graph knows of none. */
  readonly #nobody: Record<string, InputTensor> | null = null;

  /** `noPast`: of no rows. */
  constructor(form: FormSession, inputs: BatchInputs, noPast: NamedTensors) {
    this.#form = form;
    this.#inputs = inputs;
    if (form.oneToken) return;
    this.#nobody = { [IS_BESIDE]: bool(false) };
    inputs.build([NOBODY, NOBODY], NO_RANKS, this.#nobody);
    for (const [name, tensor] of noPast) this.#nobody[beside(name)] = tensor;
    // The other inputs are fed with every run.
    Object.assign(this.#feeds, this.#nobody);
  }

  /** Of one part, or of two. What of `ranks` the graph has no ports for must be nothing. */
  build(parts: readonly PlacedPart[], ranks: RankFeeds): Readonly<Record<string, InputTensor>> {
    const { lora } = this.#form;
    const shared = lora === 'none' ? [] : ranks.shared;
    const [slots = [], slotsBeside = []] = lora === 'ports' ? ranks.slots : [];
    this.#feedRanks([slots, ...shared.map(({ tensors }) => tensors)]);
    if (!this.#form.oneToken) this.#feedSlotsBeside(slotsBeside);
    this.#feedPasts(parts);
    this.#inputs.build(parts, { ...ranks, shared: lora === 'path' ? [] : shared }, this.#feeds);
    return this.#feeds;
  }

  /** Lets go of rank rows, cache and bias, whose memory would be kept until the next run. */
  forget(): void {
    for (const tensors of [...this.#ranksFed.splice(0), this.#pastFed]) {
      for (const [name] of tensors) Reflect.deleteProperty(this.#feeds, name);
    }
    this.#pastFed = [];
    Reflect.deleteProperty(this.#feeds, ATTENTION_BIAS);
    for (const [name] of this.#slotsBeside) Reflect.deleteProperty(this.#feeds, beside(name));
    this.#slotsBeside = [];
    if (this.#nobody !== null) Object.assign(this.#feeds, this.#nobody);
  }

  #feedRanks(all: readonly NamedTensors[]): void {
    for (const [i, tensors] of all.entries()) {
      if (this.#ranksFed[i] === tensors) continue;
      for (const [name, tensor] of tensors) this.#feeds[name] = tensor;
      this.#ranksFed[i] = tensors;
    }
  }

  #feedSlotsBeside(slots: NamedTensors): void {
    if (this.#slotsBeside === slots) return;
    for (const [name, tensor] of slots) this.#feeds[beside(name)] = tensor;
    this.#slotsBeside = slots;
  }

  #feedPasts([first, second]: readonly PlacedPart[]): void {
    this.#pastFed = first?.past ?? [];
    for (const [name, tensor] of this.#pastFed) this.#feeds[name] = tensor;
    if (this.#nobody === null) return;
    if (second !== undefined) {
      for (const [name, tensor] of second.past) this.#feeds[beside(name)] = tensor;
      this.#feeds[IS_BESIDE] = THERE;
    } else if (this.#feeds[IS_BESIDE] === THERE) {
      // The first part's are fed in their place afterwards.
      Object.assign(this.#feeds, this.#nobody);
    }
  }
}
