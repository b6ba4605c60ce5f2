/**
 * What the service and an engine process say to each other. Ids in, tokens of a whole step out: no tensors.
 *
 * The service forks one engine process a device and sends `EngineCommand`s; the process answers with `EngineEvent`s.
 */
import type { ErrorShape } from '../errors/espalier-error.js';
import type { FloatType } from '../graph/graph-options.js';
import type { DeviceChoice, GpuDtypeChoice } from './device-choice.js';
import type { LaneName, LaneTotals } from './lane.js';
import type { WeightTypes } from './served-model.js';

/** A base model as the engine finds it on disk. `folder` holds config.json, the safetensors and the built graph. */
export interface ModelSource {
  /** Base digest. */
  digest: string;
  folder: string;
}

/** One adapter on a request's path. */
export interface AdapterUse {
  /** Revision digest: the key of everything that is cached. */
  digest: string;
  /** w, the request's weight for this node: |w| ≤ 4. */
  weight: number;
  /** Rank rows that it takes in the bank: its largest rank over modules. */
  rank: number;
  /** Where the blobs of the PEFT folder lie. */
  configFile: string;
  weightsFile: string;
}

export interface SamplingParams {
  /** 0 is greedy. */
  temperature: number;
  /** 0 is off. */
  topK: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  minP: number;
  /** 1 is off. Divides positive and multiplies negative logits of tokens seen in prompt or output (CTRL, arXiv 1909.05858). */
  repetitionPenalty: number;
  /** 0 is off. OpenAI's, over the output so far. */
  presencePenalty: number;
  /** 0 is off. OpenAI's, over the output so far. */
  frequencyPenalty: number;
  /** Token id → added to its logit. */
  logitBias: Record<number, number>;
  /** Best effort, as OpenAI's is. */
  seed: number | null;
}

/** The likeliest token each time, as the model says it. */
export const GREEDY: Readonly<SamplingParams> = Object.freeze({
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: {},
  seed: null,
});

export interface GenerationRequest {
  /** Unique in the service. */
  id: string;
  model: ModelSource;
  /** Root to leaf. */
  adapters: AdapterUse[];
  pathDigest: string;
  /** Token ids, at least one. */
  prompt: number[];
  /** How many tokens to generate at the most; 0 only scores the prompt. */
  maxTokens: number;
  /** Tokens that end the row; the token itself is reported and the finish reason is `stop`. */
  stopTokenIds: number[];
  /** Until so many tokens are generated, stopTokenIds are not drawn. */
  minTokens: number;
  sampling: SamplingParams;
  /** How many alternatives to report with each generated token: null reports no log-probabilities at all. */
  logprobs: number | null;
  /**
   * Whose requests may reuse each other's KV on this path, an opaque name: how soon an answer comes tells whether its
   * beginning was asked for before. Left out: the row reuses nothing and leaves nothing.
   */
  cacheScope?: string;
  /** Report the log-probability of each prompt token from this index (≥ 1) on, with `logprobs` alternatives; null: none. */
  scoreFrom: number | null;
}

export interface TokenLogprob {
  token: number;
  /** Natural log of the model's own probability, before temperature, penalties and cuts. */
  logprob: number;
  top: { token: number; logprob: number }[];
}

/** A path that is to have weights of its own. */
export interface MergeRequest {
  model: ModelSource;
  pathDigest: string;
  /** Root to leaf. */
  adapters: AdapterUse[];
}

export type FinishReason = 'stop' | 'length';

/** What happened to one request in one step. */
export interface RowOutput {
  id: string;
  /** With the row's first output: prompt tokens whose KV was there already, if any. */
  cachedTokens?: number | undefined;
  /** Prompt log-probabilities, in prompt order; may come in several parts. */
  promptLogprobs?: TokenLogprob[];
  token?: number;
  /** With the row's first token: what kind of lane it runs in. */
  lane?: LaneName;
  logprob?: TokenLogprob;
  /** Set on the last output of the row. */
  finish?: FinishReason;
  error?: ErrorShape;
}

/** Adapters in one tier: now, and since the engine process started. */
export interface TierStats {
  adapters: number;
  bytes: number;
  /** Adapters that came into it: into host memory from the blob store, into the bank from host memory. */
  loads: number;
  /** Adapters of admitted rows that were found in it, and in no better place. */
  hits: number;
  /** Adapters that had to leave it for others. */
  evictions: number;
}

export interface AdapterStats {
  bank: TierStats;
  /** `pinnedBytes`: of adapters that stay; they are among `bytes`. */
  host: TierStats & { pinnedBytes: number };
  /** Adapters of admitted rows that were read from the blob store for them. */
  misses: number;
  loadFailures: number;
  /** How long reading took in all. */
  loadSeconds: number;
}

export interface EngineStats {
  /** Rows that are in the batch / wait for a place. */
  running: number;
  waiting: number;
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  preemptions: number;
  /** The same, of each kind of lane. */
  lanes: Readonly<Record<LaneName, LaneTotals>>;
  /** Paths that have a merged lane. */
  mergedPaths: number;
  /** Of merged lanes, and of one that is being made. */
  mergedBytes: number;
  mergedBudgetBytes: number;
  kvBytes: number;
  kvBudgetBytes: number;
  /** KV that rows left behind: part of the KV budget, not of `kvBytes`. */
  prefixBytes: number;
  prefixBudgetBytes: number;
  /** Rows that found their beginning there, and how many tokens long those beginnings were in all. */
  prefixHits: number;
  prefixTokens: number;
  bankRanks: number;
  bankRankBudget: number;
  hostBudgetBytes: number;
  adapters: AdapterStats;
  rssBytes: number;
  /** What models run on; null before the first one. */
  device: 'cpu' | 'webgpu' | 'cuda' | null;
  /** What matrices are made of there. */
  dtype: FloatType;
  /** Of tensors in a GPU's memory. */
  gpuBytes: number;
  /** What crossed the bus between the CPU's memory and a GPU's. */
  busUpBytes: number;
  busDownBytes: number;
  /** Revision digests that rows of the batch use / that waiting rows need. */
  runningAdapters: string[];
  waitingAdapters: string[];
}

export interface EngineLimits {
  /** Rows in the batch. */
  maxRows: number;
  /** Rows that may wait; past it `submit` fails with `overloaded`. */
  maxWaiting: number;
  /** New prompt tokens computed in one step, at the most. */
  prefillChunkTokens: number;
  /**
   * How long a step may take in which a prompt is read beside rows that decode, as a multiple of one without; 1.8 where
   * left out. Null: full chunks always.
   */
  prefillStretch?: number | null;
  kvBudgetBytes: number;
  /** How much of the KV budget may hold what rows left behind, for others that begin alike; none where left out. */
  prefixBudgetBytes?: number;
  /** Rank rows a model's bank can hold. */
  bankRankBudget: number;
  /** Bytes of decoded adapters kept in host memory. */
  hostBudgetBytes: number;
  /** Bytes of weights of merged lanes; left out, there are none. */
  mergedBudgetBytes?: number;
  /** How often memory that nothing needed meanwhile is given back; a minute where left out. */
  restMs?: number;
  /** Threads of a session; 0 leaves it to the runtime. */
  threads: number;
  /** What models run on; the CPU where left out. */
  device?: DeviceChoice;
  /** What matrices, rank rows and the KV cache are made of on a GPU through WebGPU; 'auto' where left out. */
  gpuDtype?: GpuDtypeChoice;
  /** Bytes of tensors that a GPU's memory may hold: weights, KV cache and bank. Null or left out: no limit of ours. */
  gpuBudgetBytes?: number | null;
  /** Bytes of one tensor that a GPU takes; no limit of ours where left out. */
  gpuTensorBytes?: number | null;
  /** Absolute; where weights are kept as the runtime packs them (`packed-weights.ts`). Null or left out: nowhere. */
  packedFolder?: string | null;
}

export type EngineCommand =
  | { type: 'configure'; limits: EngineLimits }
  | { type: 'load'; model: ModelSource }
  | { type: 'unload'; digest: string }
  | { type: 'merge'; merge: MergeRequest }
  | { type: 'unmerge'; pathDigest: string }
  | { type: 'submit'; request: GenerationRequest }
  | { type: 'cancel'; id: string }
  /** The model's pinned adapters are these from now on. */
  | { type: 'pin'; digest: string; adapters: AdapterUse[] }
  | { type: 'shutdown'; graceMs: number };

export interface LoadedEvent {
  type: 'loaded';
  digest: string;
  device: EngineStats['device'];
  /** What the device holds of the weights: how its linears are quantised, and what all else is made of. */
  weights: WeightTypes;
  bytes: number;
  seconds: number;
}

export type EngineEvent =
  | { type: 'ready' }
  | LoadedEvent
  /** `folder` and `reason` are for the log: they tell of this machine. */
  | { type: 'loadFailed'; digest: string; error: ErrorShape; folder: string; reason: string }
  /** Why a model is slower than it might be, for the log. */
  | { type: 'hampered'; digest: string; reason: string }
  | { type: 'unloaded'; digest: string }
  /** An adapter, by revision digest; `reason` is for the log. */
  | { type: 'adapterFailed'; digest: string; reason: string }
  /** `seconds`: from when the merge began. */
  | { type: 'merged'; pathDigest: string; bytes: number; seconds: number }
  /** `reason` is for the log. */
  | { type: 'mergeFailed'; pathDigest: string; error: ErrorShape; reason: string }
  /** Its last row has ended, and its memory is free. */
  | { type: 'unmerged'; pathDigest: string }
  | { type: 'outputs'; rows: RowOutput[] }
  | { type: 'stats'; stats: EngineStats }
  | { type: 'stopped' };
