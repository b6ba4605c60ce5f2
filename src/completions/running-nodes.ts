/** Which nodes requests use now, from the moment in which their paths are resolved until their answers are complete. */
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ResolvedPath } from '../tree/resolved-path.js';

@Injectable()
export class RunningNodes {
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  /** Until the reply is complete, or its client gone. */
  hold({ steps }: ResolvedPath, { raw }: FastifyReply): void {
    if (raw.closed) return;
    for (const { nodeId } of steps) this.#counts.set(nodeId, this.count(nodeId) + 1);
    raw.once('close', () => {
      for (const { nodeId } of steps) {
        const left = this.count(nodeId) - 1;
        if (left > 0) this.#counts.set(nodeId, left);
        else this.#counts.delete(nodeId);
      }
      for (const look of [...this.#waiting]) look();
    });
  }

  count(nodeId: string): number {
    return this.#counts.get(nodeId) ?? 0;
  }

  /** Resolves when nothing uses the node, or when the signal aborts. */
  async idle(nodeId: string, signal: AbortSignal): Promise<void> {
    if (this.count(nodeId) === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.count(nodeId) > 0 && !signal.aborted) return;
        this.#waiting.delete(look);
        signal.removeEventListener('abort', look);
        resolve();
      };
      this.#waiting.add(look);
      signal.addEventListener('abort', look);
    });
  }
}
