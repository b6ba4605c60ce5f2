/**
 * Which paths the engine process should have merged, and how far it is.
 *
 * A new process is asked for all of them again. It merges one after the other, so when it dies the first that it didn't
 * have is to blame; a merge that is to blame twice is given up.
 */
import type { ErrorShape } from '../errors/espalier-error.js';
import type { MergeRequest } from './protocol.js';

export type MergeState =
  | { state: 'pending' }
  /** `seconds`: of the merge itself. */
  | { state: 'ready'; bytes: number; seconds: number }
  | { state: 'failed'; error: ErrorShape };

const PENDING: MergeState = { state: 'pending' };
const DEATHS = 2;

interface Wanted {
  request: MergeRequest;
  state: MergeState;
  deaths: number;
}

export class WantedMerges {
  readonly #ask: (request: MergeRequest) => void;
  /** By path digest. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #listeners = new Set<(pathDigest: string) => void>();

  /** `ask` sends the command, if there is a process. */
  constructor(ask: (request: MergeRequest) => void) {
    this.#ask = ask;
  }

  state(pathDigest: string): MergeState | null {
    return this.#wanted.get(pathDigest)?.state ?? null;
  }

  /** Called with the digest of each path whose state is another. Returns the way to stop that. */
  onChange(listener: (pathDigest: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One that failed is tried again. */
  want(request: MergeRequest): void {
    const known = this.#wanted.get(request.pathDigest);
    if (known !== undefined && known.state.state !== 'failed') return;
    this.#wanted.set(request.pathDigest, { request, state: PENDING, deaths: 0 });
    this.#ask(request);
    this.#tell(request.pathDigest);
  }

  drop(pathDigest: string): void {
    if (this.#wanted.delete(pathDigest)) this.#tell(pathDigest);
  }

  /** Of a model that is unloaded. */
  dropAll(baseDigest: string): void {
    for (const [pathDigest, { request }] of this.#wanted) {
      if (request.model.digest === baseDigest) this.drop(pathDigest);
    }
  }

  ready(pathDigest: string, bytes: number, seconds: number): void {
    this.#set(pathDigest, { state: 'ready', bytes, seconds });
  }

  failed(pathDigest: string, error: ErrorShape): void {
    this.#set(pathDigest, { state: 'failed', error });
  }

  processStarted(): void {
    for (const { request, state } of this.#wanted.values()) if (state.state === 'pending') this.#ask(request);
  }

  processDied(error: ErrorShape): void {
    const first = [...this.#wanted.values()].find(({ state }) => state.state === 'pending');
    for (const [pathDigest, { state }] of this.#wanted) if (state.state === 'ready') this.#set(pathDigest, PENDING);
    if (first !== undefined && ++first.deaths >= DEATHS)
      this.#set(first.request.pathDigest, { state: 'failed', error });
  }

  #set(pathDigest: string, state: MergeState): void {
    const wanted = this.#wanted.get(pathDigest);
    if (wanted === undefined) return; // Dropped meanwhile.
    wanted.state = state;
    if (state.state === 'ready') wanted.deaths = 0;
    this.#tell(pathDigest);
  }

  #tell(pathDigest: string): void {
    for (const listener of this.#listeners) listener(pathDigest);
  }
}
