/** The engine's loop in this process, one request at a time: what a request takes without HTTP and process borders. */
import { join } from 'node:path';
import { AdapterLoaderThreads } from '../../src/engine/adapter-loader.js';
import { Engine } from '../../src/engine/engine.js';
import type {
  AdapterUse,
  EngineEvent,
  EngineLimits,
  EngineStats,
  ModelSource,
  RowOutput,
} from '../../src/engine/protocol.js';
import { greedyRequest } from './greedy-request.js';

export interface Timing {
  firstTokenMs: number;
  totalMs: number;
  tokens: number[];
}

export class DirectEngine {
  readonly #engine: Engine;
  readonly #source: ModelSource;
  readonly #listeners = new Map<string, (output: RowOutput) => void>();
  #settled: ((event: EngineEvent) => void) | null = null;

  private constructor(source: ModelSource, limits: EngineLimits) {
    this.#source = source;
    this.#engine = new Engine(limits, (event) => this.#on(event), new AdapterLoaderThreads());
  }

  /** `folder`: for what is kept of the model. */
  static async start(source: ModelSource, limits: EngineLimits, folder: string): Promise<DirectEngine> {
    const direct = new DirectEngine(source, { ...limits, packedFolder: join(folder, 'packed') });
    await new Promise<void>((resolve, reject) => {
      direct.#settled = (event) => {
        if (event.type === 'loaded') resolve();
        if (event.type === 'loadFailed') reject(new Error(event.reason));
      };
      direct.#engine.load(source);
    });
    await direct.#engine.prepared;
    return direct;
  }

  get stats(): EngineStats {
    return this.#engine.stats;
  }

  /** Rows together in one batch; resolves when the last has ended. Times count from the moment that all are handed in. */
  async batch(
    rows: readonly { adapters: readonly AdapterUse[]; prompt: readonly number[]; maxTokens: number }[],
  ): Promise<Timing[]> {
    const startMs = performance.now();
    return Promise.all(
      rows.map(({ adapters, prompt, maxTokens }) => {
        const request = greedyRequest(this.#source, adapters, prompt, maxTokens);
        const timing: Timing = { firstTokenMs: 0, totalMs: 0, tokens: [] };
        return new Promise<Timing>((resolve, reject) => {
          this.#listeners.set(request.id, ({ token, finish, error }) => {
            timing.totalMs = performance.now() - startMs;
            if (token !== undefined && timing.tokens.push(token) === 1) timing.firstTokenMs = timing.totalMs;
            if (finish === undefined && error === undefined) return;
            this.#listeners.delete(request.id);
            if (error === undefined) resolve(timing);
            else reject(new Error(error.message));
          });
          this.#engine.submit(request);
        });
      }),
    );
  }

  async generate(adapters: readonly AdapterUse[], prompt: readonly number[], maxTokens: number): Promise<Timing> {
    const [timing] = await this.batch([{ adapters, prompt, maxTokens }]);
    // One for each row.
    return timing as Timing;
  }

  /** Rows of the path run in a merged lane from when it resolves. */
  async merge(adapters: readonly AdapterUse[]): Promise<void> {
    const { model, pathDigest } = greedyRequest(this.#source, adapters, [0], 1);
    await new Promise<void>((resolve, reject) => {
      this.#settled = (event) => {
        if (event.type === 'merged') resolve();
        if (event.type === 'mergeFailed') reject(new Error(event.reason));
      };
      this.#engine.merge({ model, pathDigest, adapters: [...adapters] });
    });
  }

  /** Its lane goes. */
  async unmerge(adapters: readonly AdapterUse[]): Promise<void> {
    const { pathDigest } = greedyRequest(this.#source, adapters, [0], 1);
    await new Promise<void>((resolve) => {
      this.#settled = (event) => {
        if (event.type === 'unmerged') resolve();
      };
      this.#engine.unmerge(pathDigest);
    });
  }

  stop(): Promise<void> {
    return this.#engine.shutdown(0);
  }

  #on(event: EngineEvent): void {
    if (event.type === 'outputs') for (const output of event.rows) this.#listeners.get(output.id)?.(output);
    else this.#settled?.(event);
  }
}
