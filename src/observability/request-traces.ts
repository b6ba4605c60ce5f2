/** Follows generation requests from arrival to end: for the metrics, and to know which paths run and wait now. */
import { Injectable } from '@nestjs/common';
import type { LaneName } from '../engine/lane.js';
import type { RowOutput } from '../engine/protocol.js';
import { Metrics } from './metrics.js';

export interface RequestTrace {
  /** The engine put something out for one of the request's rows. */
  output(output: RowOutput): void;
  /** May be called more than once; the first time counts. */
  end(promptTokens: number, completionTokens: number): void;
}

@Injectable()
export class RequestTraces {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /**
   * For a request that goes to the engine now. `path`: canonical, as resolved. `endpoint`: a closed list. `spentMs`: since
   * the request arrived.
   */
  begin(
    path: string,
    endpoint: 'completions' | 'chat' | 'score',
    spentMs = 0,
    now = () => performance.now(),
  ): RequestTrace {
    const metrics = this.#metrics;
    const begun = now();
    const arrived = begun - spentMs;
    let state: 'waiting' | 'running' | 'ended' = 'waiting';
    metrics.paths.enter('waiting', path);
    /** Rows that have a token, by id. */
    const rows = new Map<string, { lane: LaneName; lastMs: number }>();
    const token = ({ id, lane = 'factored' }: RowOutput): void => {
      metrics.generatedTokens.inc();
      const nowMs = now();
      const row = rows.get(id);
      if (row === undefined) {
        rows.set(id, { lane, lastMs: nowMs });
        metrics.timeToFirstToken.observe({ lane }, (nowMs - arrived) / 1000);
        return;
      }
      metrics.timeBetweenTokens.observe({ lane: row.lane }, (nowMs - row.lastMs) / 1000);
      row.lastMs = nowMs;
    };
    return {
      output(output: RowOutput): void {
        if (output.token !== undefined) token(output);
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
