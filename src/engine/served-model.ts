/**
 * A base model as the engine holds it, on whatever device: what its factored lane runs on, and what the engine asks of
 * it beside. `load-model.ts` makes the one that the device wants.
 */
import type { Quantization } from '../formats/quantization/scheme.js';
import type { FloatType } from '../graph/graph-options.js';
import type { AdapterCounts } from './adapter-counts.js';
import type { LaneModel } from './lane.js';
import type { AdapterUse } from './protocol.js';
import type { AdapterPlaces } from './scheduler.js';

export interface BankStats {
  /** Adapters in the bank, those without references included. */
  adapters: number;
  /** Of the rank rows. */
  bytes: number;
  /** Since the model was loaded. */
  counts: Readonly<AdapterCounts>;
}

/** The bank, as the engine sees it. */
export interface ServedBank extends AdapterPlaces {
  /** Rank rows with references. */
  readonly usedRanks: number;
  readonly stats: BankStats;
  /** Called after each load, whether it went well or not. Returns the way to stop that. */
  onSettled(listener: () => void): () => void;
}

/**
 * The base with the adapters of one path merged into its weights, W + Σ w·s·B·A: what a merged lane runs on. Its bank has
 * nothing to hold, and what rows say of their adapters is not looked at.
 */
export interface MergedModel extends LaneModel {
  /** What it takes of the device's memory, beside the base model and the KV cache. */
  readonly bytes: number;
  /** Gives back memory that nothing needed since the last call. No run may be under way. */
  rest(): Promise<void>;
  /** Frees everything. No run may be under way, and none may follow. */
  release(): Promise<void>;
}

/** What weights are made of in the device's memory. */
export interface WeightTypes {
  /** Of the linears; null where they are as all else. */
  quantization: Quantization | null;
  dtype: FloatType;
}

export interface ServedModel extends LaneModel {
  readonly bank: ServedBank;
  /** Of the weights in the device's memory. */
  readonly bytes: number;
  readonly weightTypes: WeightTypes;
  /** Why it is slower than it might be; for the log. */
  readonly drawback?: string;
  /** What a merged model takes at the most, known before one is made. */
  readonly mergedBytes: number;
  /**
   * Merges a path, root to leaf, in pieces between which the event loop has its turn, so that rows go on meanwhile. Once
   * the signal is aborted it ends soon, with the signal's reason. The base's own weights stay as they are.
   */
  merge(adapters: readonly AdapterUse[], signal: AbortSignal): Promise<MergedModel>;
  /** Makes what is to be made faster by it, piece by piece. False: all is done. No run may be under way. */
  prepare?(): Promise<boolean>;
  /** Gives back memory that nothing needed since the last call. No run may be under way. */
  rest(): Promise<void>;
  /** Frees everything, but for merged models. No run may be under way, and none may follow. */
  release(): Promise<void>;
}
