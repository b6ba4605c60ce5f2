/**
 * Adapters that are to stay in host memory, by model: read ahead one after the other, so that they keep no row that waits
 * for its own from its turn, and never dropped.
 *
 * The bank is left as it is: its rows lie side by side for those that run, and rows of adapters that don't would be read
 * with every step. From host memory an adapter enters it with a copy.
 */
import type { HostCache } from './host-cache.js';
import type { AdapterUse } from './protocol.js';
import type { ServedBank } from './served-model.js';

interface Pinned {
  adapters: readonly AdapterUse[];
  /** Digests that were read ahead: once, for one that doesn't fit would be dropped and read for ever. */
  read: Set<string>;
}

export class AdapterPins {
  readonly #host: HostCache;
  /** By base digest. */
  readonly #pinned = new Map<string, Pinned>();

  constructor(host: HostCache) {
    this.#host = host;
  }

  /** The model's pinned adapters are these from now on, each once; `bank`: of the model, if it is loaded. */
  set(model: string, adapters: readonly AdapterUse[], bank: ServedBank | undefined): void {
    const before = this.#pinned.get(model)?.adapters ?? [];
    this.#pinned.set(model, { adapters, read: new Set() });
    // First the new ones: what stays pinned is never an ordinary entry in between.
    for (const { digest } of adapters) this.#host.pin(digest);
    for (const { digest } of before) this.#host.unpin(digest);
    if (bank !== undefined) this.#readNext(model, bank);
  }

  /** The model has been loaded: its pinned adapters are read. */
  attach(model: string, bank: ServedBank): void {
    this.#pinned.get(model)?.read.clear();
    bank.onSettled(() => this.#readNext(model, bank));
    this.#readNext(model, bank);
  }

  #readNext(model: string, bank: ServedBank): void {
    const { adapters, read } = this.#pinned.get(model) ?? { adapters: [], read: new Set<string>() };
    if (adapters.some(({ digest }) => bank.state(digest) === 'loading')) return;
    const next = adapters.find(({ digest }) => !read.has(digest) && bank.state(digest) === 'absent');
    if (next === undefined) return;
    read.add(next.digest);
    bank.prefetch(next);
  }
}
