/** Follows generation requests from arrival to end: for the metrics, and to know which paths run and wait now. */
import { Injectable } from '@nestjs/common';
import { Metrics } from './metrics.js';

export interface RequestTrace {
  /** The engine answered, with so many new tokens. */
  output(tokens: number): void;
  /** May be called more than once; the first time counts. */
  end(promptTokens: number, completionTokens: number): void;
}

@Injectable()
export class RequestTraces {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** `path`: canonical, as resolved. `endpoint`: a closed list. */
  begin(path: string, endpoint: 'completions' | 'chat' | 'score', now = () => performance.now()): RequestTrace {
    const metrics = this.#metrics;
    const begun = now();
    let state: 'waiting' | 'running' | 'ended' = 'waiting';
    metrics.paths.enter('waiting', path);
    return {
      output(tokens: number): void {
        if (tokens > 0) metrics.generatedTokens.inc(tokens);
        if (state !== 'waiting') return;
        state = 'running';
        metrics.paths.leave('waiting', path);
        metrics.paths.enter('running', path);
        metrics.timeToFirstOutput.observe({ endpoint }, (now() - begun) / 1000);
      },
      end(promptTokens: number, completionTokens: number): void {
        if (state === 'ended') return;
        metrics.paths.leave(state, path);
        state = 'ended';
        metrics.requests.inc({ endpoint });
        metrics.promptTokens.inc(promptTokens);
        metrics.requestSeconds.observe({ endpoint }, (now() - begun) / 1000);
        metrics.completionTokens.observe({ endpoint }, completionTokens);
      },
    };
  }
}
