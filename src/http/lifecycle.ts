/** Whether the service is stopping, for all who need to know: routes that refuse, streams that end, readiness. */
export class Lifecycle {
  readonly #controller = new AbortController();

  get stopping(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborts when the service begins to stop. Running requests still have the grace period. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  beginStop(): void {
    this.#controller.abort();
  }
}
