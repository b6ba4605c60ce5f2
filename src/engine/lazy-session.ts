/** A small session that is loaded when it is first needed, and tried again where that failed. */
import type { Session } from './ort.js';

export class LazySession {
  readonly #load: () => Promise<Session>;
  #session: Promise<Session> | null = null;

  constructor(load: () => Promise<Session>) {
    this.#load = load;
  }

  async get(): Promise<Session> {
    this.#session ??= this.#load();
    try {
      return await this.#session;
    } catch (error) {
      this.#session = null;
      throw error;
    }
  }

  /** No run may be under way. It may be loaded again. */
  async release(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await (await session)?.release();
  }
}
