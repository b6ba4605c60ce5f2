/** Which paths requests are on now, and how many on each. */
export type PathState = 'waiting' | 'running';

export class ActivePaths {
  readonly #counts = { waiting: new Map<string, number>(), running: new Map<string, number>() };

  enter(state: PathState, path: string): void {
    this.#counts[state].set(path, (this.#counts[state].get(path) ?? 0) + 1);
  }

  leave(state: PathState, path: string): void {
    const left = (this.#counts[state].get(path) ?? 0) - 1;
    if (left > 0) this.#counts[state].set(path, left);
    else this.#counts[state].delete(path);
  }

  /** Each once. */
  paths(state: PathState): string[] {
    return [...this.#counts[state].keys()];
  }
}
