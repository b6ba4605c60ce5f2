/** Looks after what changes: soon after it is asked to, once for all that happened meanwhile, never twice at a time, and now and then. */
export class RecurringLook {
  readonly #everyMs: number;
  readonly #look: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  /** `failed` is told why a look ended early; the next one comes all the same. */
  constructor(everyMs: number, look: () => Promise<void>, failed: (error: unknown) => void) {
    this.#everyMs = everyMs;
    this.#look = look;
    this.#failed = failed;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  start(): void {
    this.#timer = setInterval(() => this.soon(), this.#everyMs).unref();
    this.soon();
  }

  soon(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#looking ??= this.#lookWhileAsked().finally(() => (this.#looking = null));
  }

  /** Waits for the look that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#looking;
  }

  async #lookWhileAsked(): Promise<void> {
    // What is committed together is looked at together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
