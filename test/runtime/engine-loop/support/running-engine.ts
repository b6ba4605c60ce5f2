/** A real engine in this process, with what it put out collected by request. */
import { Engine } from '../../../../src/engine/engine.js';
import {
  GREEDY,
  type AdapterUse,
  type EngineEvent,
  type EngineLimits,
  type EngineStats,
  type GenerationRequest,
  type RowOutput,
} from '../../../../src/engine/protocol.js';
import type { ErrorShape } from '../../../../src/errors/espalier-error.js';

export const LIMITS: EngineLimits = {
  maxRows: 8,
  maxWaiting: 64,
  prefillChunkTokens: 32,
  kvBudgetBytes: 16e6,
  bankRankBudget: 64,
  hostBudgetBytes: 16e6,
  threads: 1,
};

export interface Ending {
  tokens: number[];
  finish: string | undefined;
  error: ErrorShape | undefined;
  outputs: RowOutput[];
}

export class RunningEngine {
  readonly engine: Engine;
  readonly events: EngineEvent[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(limits: EngineLimits = LIMITS) {
    this.engine = new Engine(limits, (event) => {
      this.events.push(event);
      for (const watcher of this.#watchers) watcher();
    });
  }

  outputs(id: string): RowOutput[] {
    return this.events.flatMap((event) => (event.type === 'outputs' ? event.rows.filter((row) => row.id === id) : []));
  }

  /** Resolves as soon as what came so far fulfils it. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }

  has(type: EngineEvent['type']): Promise<void> {
    return this.until(() => this.events.some((event) => event.type === type));
  }

  async ending(id: string): Promise<Ending> {
    await this.until(() => this.outputs(id).some((row) => row.finish !== undefined || row.error !== undefined));
    const outputs = this.outputs(id);
    return {
      tokens: outputs.flatMap(({ token }) => (token === undefined ? [] : [token])),
      finish: outputs.at(-1)?.finish,
      error: outputs.at(-1)?.error,
      outputs,
    };
  }

  run(request: GenerationRequest): Promise<Ending> {
    this.engine.submit(request);
    return this.ending(request.id);
  }

  /** Ends it, and says what it held at the end. */
  async stop(graceMs = 0): Promise<EngineStats> {
    await this.engine.shutdown(graceMs);
    return this.engine.stats;
  }
}

export function request(
  id: string,
  model: { digest: string; folder: string },
  more: Partial<GenerationRequest> = {},
): GenerationRequest {
  return {
    id,
    model,
    adapters: [],
    pathDigest: 'a path',
    prompt: [1, 2, 3, 4],
    maxTokens: 8,
    stopTokenIds: [],
    minTokens: 0,
    sampling: GREEDY,
    logprobs: null,
    scoreFrom: null,
    ...more,
  };
}

export function absentAdapter(rank: number): AdapterUse {
  return {
    digest: `absent-${rank}`,
    rank,
    weight: 1,
    configFile: '/absent/c.json',
    weightsFile: '/absent/w.safetensors',
  };
}
