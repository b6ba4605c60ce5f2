/**
 * Runs rows and reads what their logits say.
 *
 * A row that fails fails alone. Where a run as a whole can't be computed, each of its rows is run by itself, and only
 * those that can't be computed then are given up. Computing a row again is harmless: it writes the same positions.
 */
import { NonFiniteLogitsError } from '../errors/engine.js';
import { EspalierError, type ErrorShape } from '../errors/espalier-error.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { LogitReader, type Reading, type ReadToken } from './logit-reader.js';
import type { RowLogits } from './run-logits.js';
import type { RunnerRow } from './runner.js';
import type { ScheduledRow } from './scheduler.js';

/** One for each position whose logits a row asked for, or why there is none. */
export type RowResult = ReadToken[] | ErrorShape;

/** What computes rows. */
export interface RowModel {
  readonly config: ModelConfig;
  /** The logits of each row, those of the others last. They are there until the next run. */
  run(rows: readonly RunnerRow[], others?: readonly RunnerRow[]): Promise<RowLogits[]>;
}

export class RowRuns {
  readonly #model: RowModel;
  readonly #reader: LogitReader;

  constructor(model: RowModel) {
    this.#model = model;
    this.#reader = new LogitReader(model.config.vocabSize);
  }

  /** Of one part, or of two: what each row asked for, or why it has none. */
  async run([rows, others]: readonly (readonly ScheduledRow[])[]): Promise<RowResult[]> {
    if (rows === undefined) return [];
    if (others === undefined) return this.#runPart(rows);
    try {
      return await this.#compute(rows, others);
    } catch {
      // Each by itself, which tells what can't be computed.
      return [...(await this.#runPart(rows)), ...(await this.#runPart(others))];
    }
  }

  async #runPart(rows: readonly ScheduledRow[]): Promise<RowResult[]> {
    try {
      return await this.#compute(rows);
    } catch (error) {
      if (rows.length === 1) return [shapeOf(error)];
    }
    const alone: RowResult[] = [];
    for (const row of rows) alone.push(...(await this.#runPart([row])));
    return alone;
  }

  /** Runs the rows, and reads what their logits say: tokens of a prompt, or the one that comes next. */
  async #compute(rows: readonly ScheduledRow[], others?: readonly ScheduledRow[]): Promise<RowResult[]> {
    const logits = await this.#model.run(rows.map(runnerRow), others?.map(runnerRow));
    const all = [...rows, ...(others ?? [])];
    const readings = all.map((row, i) => {
      const ofRow = logits[i];
      if (ofRow === undefined) throw new Error('the runner left a row out');
      return { row, list: ofRow.finite ? readingsOf(row, ofRow) : null };
    });
    const tokens = await this.#reader.read(readings.flatMap(({ list }) => list ?? []));
    let first = 0;
    return readings.map(({ row: { sequence }, list }) => {
      if (list === null) return new NonFiniteLogitsError(sequence.request.pathDigest).toShape();
      first += list.length;
      return tokens.slice(first - list.length, first);
    });
  }
}

/** What is to be read at each of the row's positions. */
function readingsOf({ sequence, logitsAt }: ScheduledRow, { run, first }: RowLogits): Reading[] {
  const { request, barred } = sequence;
  const random = (): number => sequence.random();
  return logitsAt.map((at, i) => {
    const known = sequence.tokens[sequence.computed + at + 1];
    const reading = { run, position: first + i, sampling: request.sampling, history: sequence, random, barred };
    return known === undefined
      ? { ...reading, logprobs: request.logprobs }
      : { ...reading, known, logprobs: request.logprobs ?? 0 };
  });
}

function runnerRow({ sequence, count, logitsAt }: ScheduledRow): RunnerRow {
  const start = sequence.computed;
  return {
    row: sequence.id,
    tokens: sequence.tokens.slice(start, start + count),
    start,
    adapters: sequence.adapters,
    logitsAt,
  };
}

function shapeOf(error: unknown): ErrorShape {
  if (error instanceof EspalierError) return error.toShape();
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'inference_failed', status: 500, message: `The model could not be run: ${message}` };
}
