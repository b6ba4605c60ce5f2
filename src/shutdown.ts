/**
 * Signals. The first one stops the service in order; another one ends the process at once.
 *
 * Ctrl-C in a terminal reaches every process of the foreground, and npm passes it on once more: what comes within a
 * second of the first is the same request. And where npm's shell dies of the signal instead of passing it on, the
 * service finds itself without its parent, and takes that for the signal.
 */
export interface Stoppable {
  stop(): Promise<void>;
  abandon(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_REQUEST_MS = 1_000;
const PARENT_CHECK_MS = 500;

export class Shutdown {
  readonly #service: Stoppable;
  readonly #limitMs: number;
  readonly #tell: (message: string) => void;
  #begunAt: number | null = null;

  /** `limitMs`: after so long, stopping in order has failed, and the process ends anyway. */
  constructor(service: Stoppable, limitMs: number, tell: (message: string) => void) {
    this.#service = service;
    this.#limitMs = limitMs;
    this.#tell = tell;
  }

  listen(): void {
    for (const signal of SIGNALS) process.on(signal, () => this.#onSignal());
    if (process.env['npm_lifecycle_event'] !== undefined) this.#watchParent();
  }

  get begun(): boolean {
    return this.#begunAt !== null;
  }

  /** Stops in order and ends the process. */
  begin(exitCode: number): void {
    if (this.#begunAt !== null) return;
    this.#begunAt = Date.now();
    setTimeout(() => this.#endNow('It did not stop in time.'), this.#limitMs).unref();
    this.#service.stop().then(
      () => process.exit(exitCode),
      (error: unknown) => this.#endNow(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
  }

  #onSignal(): void {
    if (this.#begunAt === null) {
      this.#tell('Stopping. Once more to stop at once.');
      this.begin(0);
    } else if (Date.now() - this.#begunAt > SAME_REQUEST_MS) {
      this.#endNow('Stopped at once.');
    }
  }

  #endNow(message: string): void {
    this.#tell(message);
    this.#service.abandon();
    process.exit(1);
  }

  #watchParent(): void {
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      this.#onSignal();
    }, PARENT_CHECK_MS).unref();
  }
}
