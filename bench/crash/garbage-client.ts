/** Collects garbage without any grace, all the time, while others write. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RandomNumbers } from '../support/random-numbers.js';
import type { CrashingService } from './crashing-service.js';

const MAX_PAUSE_MS = 300;

export class GarbageClient {
  /** Ids of the requests that were answered. */
  readonly acknowledged: string[] = [];
  readonly problems: string[] = [];
  readonly #random: RandomNumbers;
  #requests = 0;

  constructor(random: RandomNumbers) {
    this.#random = random;
  }

  async storm(service: CrashingService): Promise<void> {
    while (service.isRunning && this.problems.length === 0) {
      const requestId = `garbage:${++this.#requests}`;
      try {
        const call = { method: 'POST', path: '/gc', json: { graceSeconds: 0 }, requestId };
        const answer = await service.fetch(call);
        if (answer.ok) this.acknowledged.push(requestId);
        else this.problems.push(`garbage collection was answered ${answer.status}: ${await answer.text()}`);
      } catch {
        // It died: what it did until then, the checks see.
        return;
      }
      await sleep(this.#random.below(MAX_PAUSE_MS));
    }
  }
}
