/** Rows of a loaded model, driven by a test: which tokens a run computes for each is the test's choice. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LaneModel } from '../../../src/engine/lane.js';
import { LogitReader } from '../../../src/engine/logit-reader.js';
import { type AdapterUse, type EngineLimits, GREEDY } from '../../../src/engine/protocol.js';
import type { RunnerRow } from '../../../src/engine/runner.js';
import { wholeLogits } from './whole-logits.js';

export const LIMITS: EngineLimits = {
  maxRows: 64,
  maxWaiting: 64,
  prefillChunkTokens: 64,
  kvBudgetBytes: 64e6,
  bankRankBudget: 64,
  hostBudgetBytes: 64e6,
  threads: 1,
};

const NO_HISTORY = { seen: new Set<number>(), generated: new Map<number, number>() };

export class DrivenRow {
  readonly tokens: readonly number[];
  /** Of the tokens computed so far: [computed, vocab] */
  readonly logits: Float32Array;
  computed = 0;
  readonly #model: LaneModel;
  readonly #name: string;
  readonly #adapters: readonly AdapterUse[];
  static #names = 0;

  private constructor(model: LaneModel, tokens: readonly number[], adapters: readonly AdapterUse[]) {
    this.#model = model;
    this.#name = `row ${DrivenRow.#names++}`;
    this.tokens = tokens;
    this.#adapters = adapters;
    this.logits = new Float32Array(tokens.length * model.config.vocabSize);
  }

  /** Takes a place and the adapters; all of the row's logits will be asked for. */
  static async join(
    model: LaneModel,
    tokens: readonly number[],
    adapters: readonly AdapterUse[],
    positions = 1,
  ): Promise<DrivenRow> {
    await resident(model, adapters);
    const row = new DrivenRow(model, tokens, adapters);
    if (!model.bank.acquire(adapters)) throw new Error('The bank has no room.');
    if (!model.kv.open(row.#name, positions)) throw new Error('The cache has no room.');
    return row;
  }

  get left(): number {
    return this.tokens.length - this.computed;
  }

  leave(): void {
    this.#model.kv.close(this.#name);
    this.#model.bank.release(this.#adapters);
  }

  /** Computes the next `count` tokens of each row: one run for each KV capacity, rows without a past together. */
  static async step(
    model: LaneModel,
    rows: readonly { row: DrivenRow; count: number; wanted?: 'all' | 'none' }[],
  ): Promise<void> {
    const runs = new Map<number, { row: DrivenRow; count: number; wanted?: 'all' | 'none' }[]>();
    for (const entry of rows) {
      const { row, count } = entry;
      if (!model.kv.grow(row.#name, row.computed + count)) throw new Error('The cache has no room.');
      const capacity = row.computed === 0 ? 0 : model.kv.capacity(row.#name);
      runs.set(capacity, [...(runs.get(capacity) ?? []), entry]);
    }
    for (const run of runs.values()) {
      const results = await model.run(run.map(({ row, count, wanted }) => row.#next(count, wanted)));
      const whole = await wholeLogits(results);
      for (const [i, { row, count }] of run.entries()) {
        const logits = whole[i]!;
        row.logits.set(logits, row.computed * model.config.vocabSize);
        row.computed += count;
      }
    }
  }

  /** Computes the next token of each row, as `step` does, and chooses the likeliest one to follow, as a lane does. */
  static async choose(model: LaneModel, rows: readonly DrivenRow[]): Promise<number[]> {
    const results = await model.run(rows.map((row) => row.#next(1)));
    for (const row of rows) row.computed++;
    const asked = { logprobs: null, sampling: GREEDY, history: NO_HISTORY, random: Math.random, barred: [] };
    const readings = results.map(({ run, first }) => ({ ...asked, run, position: first }));
    return (await new LogitReader(model.config.vocabSize).read(readings)).map(({ token }) => token);
  }

  #next(count: number, wanted: 'all' | 'none' = 'all'): RunnerRow {
    return {
      row: this.#name,
      tokens: this.tokens.slice(this.computed, this.computed + count),
      start: this.computed,
      adapters: this.#adapters,
      logitsAt: Array.from({ length: wanted === 'all' ? count : 0 }, (_, i) => i),
    };
  }

  /** A row by itself: its prompt in chunks of `chunk`, then one token a run from `promptLength` on. */
  static async alone(
    model: LaneModel,
    tokens: readonly number[],
    adapters: readonly AdapterUse[],
    { chunk = Infinity, promptLength = tokens.length }: { chunk?: number; promptLength?: number } = {},
  ): Promise<Float32Array> {
    const row = await DrivenRow.join(model, tokens, adapters);
    while (row.left > 0) {
      const count = row.computed < promptLength ? Math.min(chunk, promptLength - row.computed) : 1;
      await DrivenRow.step(model, [{ row, count }]);
    }
    row.leave();
    return row.logits;
  }
}

/** Waits until the adapters are in host memory. */
export async function resident({ bank }: LaneModel, adapters: readonly AdapterUse[]): Promise<void> {
  for (const use of adapters) {
    bank.prefetch(use);
    while (bank.state(use.digest) === 'loading') await nextTurn();
    const failure = bank.failure(use.digest);
    if (failure !== null) throw new Error(failure.message);
  }
}
