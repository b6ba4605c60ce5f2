/**
 * Which models the engine process should have, which it has, and who waits for one.
 *
 * A new process is asked for all of them, in the order of their first load. It loads one after the other, so when it
 * dies the first that it didn't have is to blame; a model that is to blame twice is given up.
 */
import type { ModelSource } from './protocol.js';

const DEATHS = 2;

interface Wanted {
  source: ModelSource;
  deaths: number;
  waiting: { resolve: () => void; reject: (error: Error) => void }[];
}

export class ModelLoads {
  readonly #ask: (source: ModelSource) => void;
  readonly #wanted = new Map<string, Wanted>();
  /** Of requests, which have their models loaded without `load`. */
  readonly #mentioned = new Map<string, ModelSource>();
  readonly #loaded = new Set<string>();

  /** `ask` sends the command, if there is a process. */
  constructor(ask: (source: ModelSource) => void) {
    this.#ask = ask;
  }

  get loaded(): ReadonlySet<string> {
    return this.#loaded;
  }

  load(source: ModelSource): Promise<void> {
    if (this.#loaded.has(source.digest)) return Promise.resolve();
    const wanted = this.#want(source);
    return new Promise((resolve, reject) => {
      wanted.waiting.push({ resolve, reject });
      this.#ask(source);
    });
  }

  /** A request for the model goes to the process, which loads it if need be. */
  mention(source: ModelSource): void {
    if (!this.#wanted.has(source.digest)) this.#mentioned.set(source.digest, source);
  }

  forget(digest: string): void {
    this.#loaded.delete(digest);
    this.#wanted.delete(digest);
    this.#mentioned.delete(digest);
  }

  loadedNow(digest: string): void {
    const source = this.#wanted.get(digest)?.source ?? this.#mentioned.get(digest);
    if (source === undefined) return; // Unloaded meanwhile.
    this.#mentioned.delete(digest);
    const wanted = this.#want(source);
    wanted.deaths = 0;
    this.#loaded.add(digest);
    for (const { resolve } of wanted.waiting.splice(0)) resolve();
  }

  failed(digest: string, error: Error): void {
    this.#giveUp(digest, error);
  }

  processStarted(): void {
    for (const { source } of this.#wanted.values()) this.#ask(source);
  }

  processDied(error: Error): void {
    const first = [...this.#wanted.values()].find(({ source }) => !this.#loaded.has(source.digest));
    this.#loaded.clear();
    this.#mentioned.clear();
    if (first !== undefined && ++first.deaths >= DEATHS) this.#giveUp(first.source.digest, error);
  }

  stop(error: Error): void {
    for (const digest of [...this.#wanted.keys()]) this.#giveUp(digest, error);
    this.#loaded.clear();
  }

  #want(source: ModelSource): Wanted {
    const wanted = this.#wanted.get(source.digest) ?? { source, deaths: 0, waiting: [] };
    this.#wanted.set(source.digest, wanted);
    return wanted;
  }

  #giveUp(digest: string, error: Error): void {
    const wanted = this.#wanted.get(digest);
    this.#wanted.delete(digest);
    this.#mentioned.delete(digest);
    for (const { reject } of wanted?.waiting ?? []) reject(error);
  }
}
