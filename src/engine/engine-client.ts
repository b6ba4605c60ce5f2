/** The service's handle on an engine process; `EngineSupervisor` is the real one. */
import type { AdapterUse, EngineStats, GenerationRequest, MergeRequest, ModelSource, RowOutput } from './protocol.js';
import type { MergeState } from './wanted-merges.js';

/** Injection token of the `EngineClient`. */
export const ENGINE = Symbol('ENGINE');

export type EngineState = 'starting' | 'ready' | 'restarting' | 'stopping' | 'stopped';

export interface EngineClient {
  readonly state: EngineState;
  /** The newest statistics that the process reported; null before the first. */
  readonly stats: EngineStats | null;
  /** Models that are loaded now, by base digest. */
  readonly loadedModels: ReadonlySet<string>;

  /** Loads a model (again after a restart, without being asked). Rejects with the reason why it can't be loaded. */
  load(model: ModelSource): Promise<void>;
  unload(digest: string): Promise<void>;

  /**
   * Gives a path weights of its own (again after a restart, without being asked). Its requests run factored until they
   * are ready, and what began there ends there. One that failed is tried again.
   */
  merge(request: MergeRequest): void;
  /** The path's requests run factored from now on; its lane is freed when the last that runs there has ended. */
  unmerge(pathDigest: string): void;
  /** Null: it isn't asked for. */
  mergeState(pathDigest: string): MergeState | null;
  /** Called with the path digest when a state is another. Returns the way to stop that. */
  onMerge(listener: (pathDigest: string) => void): () => void;

  /**
   * Generates; the model is loaded first if it isn't. Ends after the output that carries `finish`. Throws an
   * EspalierError: `overloaded` (429), `engine_restarting` (503), `engine_died` (502) when the process ended while the
   * request ran, or the row's own error. Aborting the signal takes the row out of the batch at the next step and ends
   * the iteration quietly.
   */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<RowOutput>;

  /**
   * Adapters of a model, by its base digest, that stay in the engine's memory (again after a restart, without being
   * asked); those that stayed before may go. They are read as soon as the model is loaded.
   */
  pin(digest: string, adapters: AdapterUse[]): void;

  /** Lets running rows finish for `graceMs`, then ends the process. */
  stop(graceMs: number): Promise<void>;
}
