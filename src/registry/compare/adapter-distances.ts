/** Adapters are compared off the HTTP thread, one pair at a time, at a bounded cost; what was found out is kept a while. */
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { Piscina } from 'piscina';
import { EspalierError } from '../../errors/espalier-error.js';
import { ComparisonOverloadedError } from '../../errors/exports.js';
import type { Distances, DistancesAnswer, DistancesTask } from './distances.worker.js';

const WORKER = new URL('./distances.worker.js', import.meta.url).href;
const MAX_WAITING = 16;
/** An idle worker gives its memory back. */
const IDLE_MS = 10_000;
/** Pairs. */
const MAX_KEPT = 256;

@Injectable()
export class AdapterDistances implements OnApplicationShutdown {
  readonly #pool = new Piscina<DistancesTask, DistancesAnswer>({
    filename: WORKER,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
  });
  readonly #oneAtATime = pLimit(1);
  /** By the two digests, of which the values are all that there is to know. */
  readonly #kept = new LRUCache<string, { distances: Distances }>({ max: MAX_KEPT });

  /** Null where it would take too long. */
  async between(task: DistancesTask): Promise<Distances> {
    const pair = `${task.left.digest} ${task.right.digest}`;
    const kept = this.#kept.get(pair);
    if (kept) return kept.distances;
    if (this.#oneAtATime.pendingCount >= MAX_WAITING) throw new ComparisonOverloadedError();
    const answer = await this.#oneAtATime(() => this.#pool.run(task));
    if ('error' in answer) throw EspalierError.from(answer.error, answer.reason);
    this.#kept.set(pair, answer);
    return answer.distances;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.destroy();
  }
}
