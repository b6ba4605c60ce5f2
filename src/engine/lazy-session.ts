/** A small session that is loaded when it is needed, and goes when it has long not been. */
import type { Session } from './ort.js';

export class LazySession {
  readonly #load: () => Promise<Session>;
  #session: Promise<Session> | null = null;
  #isUsed = false;

  constructor(load: () => Promise<Session>) {
    this.#load = load;
  }

  async get(): Promise<Session> {
    this.#isUsed = true;
    const session = (this.#session ??= this.#load());
    try {
      return await session;
    } catch (error) {
      // The next call tries again.
      if (this.#session === session) this.#session = null;
      throw error;
    }
  }

  /** Releases it if it wasn't used since the last call. No run may be under way. */
  async rest(): Promise<void> {
    const isUsed = this.#isUsed;
    this.#isUsed = false;
    if (!isUsed) await this.release();
  }

  /** No run may be under way. It may be loaded again. */
  async release(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await (await session)?.release();
  }
}
