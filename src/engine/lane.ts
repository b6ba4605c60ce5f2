/** One loaded model with the rows that it runs: schedule → run → postprocess. */
import type { ErrorShape } from '../errors/espalier-error.js';
import { InvalidRequestError } from '../errors/requests.js';
import { Admission } from './admission.js';
import type { KvBudget } from './kv-budget.js';
import { type LaneTimes, observe } from './lane-times.js';
import type { ReadToken } from './logit-reader.js';
import { PrefillPace } from './prefill-pace.js';
import type { EngineLimits, GenerationRequest, RowOutput } from './protocol.js';
import { type RowModel, type RowResult, RowRuns } from './row-runs.js';
import { Scheduler } from './scheduler.js';
import type { AdapterPlaces, ScheduledRow } from './scheduler.js';
import { Sequence } from './sequence.js';

/** What a lane needs of a loaded model. */
export interface LaneModel extends RowModel {
  readonly kv: KvBudget;
  readonly bank: AdapterPlaces;
  /** Whether `run` takes others: rows of another length and KV capacity, beside the first. */
  readonly runsTwoParts?: boolean;
}

/** 'factored' takes any path; 'merged' has the adapters of one in its weights. */
export type LaneName = 'factored' | 'merged';

export interface LaneCounts {
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  preemptions: number;
}

export interface LaneTotals extends LaneCounts {
  times?: LaneTimes;
}

/** Logits that a step may put out for scored prompts. */
const MAX_SCORED_BYTES = 64 * 1024 * 1024;

/** How long a step with a prompt in it may take, as a multiple of one without: a little below the 2 that rows may feel. */
const DEFAULT_STRETCH = 1.8;

export interface LaneOptions {
  name?: LaneName;
  /** Rows in the batches of lanes that share `maxRows` with this one. */
  rowsElsewhere?: () => number;
  nowMs?: () => number;
}

export class Lane {
  readonly name: LaneName;
  readonly model: LaneModel;
  readonly totals: LaneTotals;
  readonly #scheduler: Scheduler;
  readonly #runs: RowRuns;
  readonly #admission: Admission;
  readonly #pace: PrefillPace;
  readonly #nowMs: () => number;
  readonly #sequences = new Map<string, Sequence>();
  /** Taken out before the next step: during a step the runner still writes into their places. */
  readonly #cancelled = new Set<string>();
  #arrivals = 0;

  /** `totals` is counted up, and may be shared with other lanes. */
  constructor(
    model: LaneModel,
    limits: EngineLimits,
    totals: LaneTotals,
    { name = 'factored', rowsElsewhere = () => 0, nowMs = () => performance.now() }: LaneOptions = {},
  ) {
    this.name = name;
    this.model = model;
    this.totals = totals;
    this.#nowMs = nowMs;
    const { prefillChunkTokens, prefillStretch = DEFAULT_STRETCH } = limits;
    this.#pace = new PrefillPace(prefillChunkTokens, prefillStretch);
    this.#runs = new RowRuns(model);
    this.#admission = new Admission(limits);
    this.#scheduler = new Scheduler(
      {
        maxRows: limits.maxRows,
        rowsElsewhere,
        prefillChunkTokens: limits.prefillChunkTokens,
        maxScoredPositions: Math.max(1, Math.floor(MAX_SCORED_BYTES / (4 * model.config.vocabSize))),
        maxOvertakes: limits.maxRows,
      },
      model.kv,
      model.bank,
      this.#pace,
    );
  }

  get running(): readonly Sequence[] {
    return this.#scheduler.running;
  }

  get waiting(): readonly Sequence[] {
    return this.#scheduler.waiting;
  }

  has(id: string): boolean {
    return this.#sequences.has(id);
  }

  get busy(): boolean {
    return this.#sequences.size > 0;
  }

  /** Throws where the row can't be taken. */
  submit(request: GenerationRequest): void {
    check(request, this.model.config.vocabSize);
    this.#admission.enter();
    try {
      const sequence = new Sequence(request, this.#arrivals++);
      this.#scheduler.add(sequence);
      this.#sequences.set(request.id, sequence);
    } catch (error) {
      this.#admission.leave();
      throw error;
    }
  }

  cancel(id: string): void {
    if (!this.#sequences.has(id) || this.#cancelled.has(id)) return;
    this.#cancelled.add(id);
    this.#admission.leave(); // Its place is promised to the next from now on.
  }

  /** Gives up rows with an error: all of them, or only those that have not begun. Not during a step. */
  giveUp(error: ErrorShape, which: 'all' | 'not begun'): RowOutput[] {
    const rows = [...this.#sequences.values()].filter(
      ({ id, computed, preemptions }) =>
        which === 'all' || (computed === 0 && preemptions === 0 && !this.#isRunning(id)),
    );
    for (const sequence of rows) {
      sequence.leavesNothing = true;
      this.#end(sequence);
    }
    return rows.map(({ id }) => ({ id, error }));
  }

  /** One step. Nothing could run when `ran` is false: all rows wait for adapters, or for another model's memory. */
  async step(): Promise<{ outputs: RowOutput[]; ran: boolean }> {
    this.#dropCancelled();
    const outputs: RowOutput[] = [];
    const { runs, decodeRuns, failed, preempted } = this.#scheduler.schedule();
    this.totals.preemptions += preempted;
    for (const { sequence, error } of failed) {
      this.#end(sequence);
      outputs.push({ id: sequence.id, error });
    }
    // What has nothing to compute (one token, scored from the second on) is done as soon as it is admitted.
    for (const sequence of this.#scheduler.running.filter(({ pending }) => pending === 0)) {
      outputs.push({ id: sequence.id, cachedTokens: sequence.takeCachedTokens(), finish: 'length' });
      this.#end(sequence);
    }
    const stepStartMs = this.#nowMs();
    const decoding = { rows: 0, ms: 0 };
    for (const parts of this.model.runsTwoParts === true ? inPairs(runs) : runs.map((rows) => [rows])) {
      const startMs = this.#nowMs();
      const results = await this.#runs.run(parts);
      const ms = this.#nowMs() - startMs;
      const prompts = parts.filter((rows) => runs.indexOf(rows) >= decodeRuns);
      const tokens = prompts.reduce((sum, rows) => sum + paddedTokens(rows), 0);
      const decodingRows = parts.flat().length - prompts.flat().length;
      if (prompts.length === 0) {
        decoding.rows += decodingRows;
        decoding.ms += ms;
      } else {
        this.#pace.prefilled(tokens, ms, decodingRows);
      }
      for (const [i, row] of parts.flat().entries()) {
        // There is one for each row.
        outputs.push(...this.#postprocess(row, results[i] as RowResult));
      }
    }
    if (decoding.rows > 0) this.#pace.decoded(decoding.rows, decoding.ms);
    const decodeRows = runs.slice(0, decodeRuns).flat().length;
    if (runs.length > 0) this.#record(runs.slice(decodeRuns).flat(), decodeRows, this.#nowMs() - stepStartMs);
    return { outputs, ran: runs.length > 0 };
  }

  #record(prefill: readonly ScheduledRow[], decodeRows: number, ms: number): void {
    this.totals.steps++;
    const { times } = this.totals;
    if (times === undefined) return;
    observe(times.stepSeconds, ms / 1000);
    if (decodeRows > 0) observe(times.decodeRows, decodeRows);
    const tokens = prefill.reduce((sum, { count }) => sum + count, 0);
    if (tokens > 0) observe(times.prefillTokens, tokens);
  }

  /** What a row's result means for it: nothing yet, tokens, its end. */
  #postprocess({ sequence, count, logitsAt }: ScheduledRow, result: RowResult): RowOutput[] {
    if (!Array.isArray(result)) return this.#fail(sequence, result);
    const { id, request } = sequence;
    const start = sequence.computed;
    sequence.computed += count;
    this.totals.promptTokens += Math.max(0, Math.min(sequence.computed, sequence.promptLength) - start);
    const output: RowOutput = { id };
    for (const [i, at] of logitsAt.entries()) this.#take(sequence, start + at + 1, result[i], output);
    if (request.maxTokens === 0 && sequence.pending === 0) output.finish = 'length';
    if (output.finish !== undefined) this.#end(sequence);
    if (output.token === undefined && output.promptLogprobs === undefined && output.finish === undefined) return [];
    const cachedTokens = sequence.takeCachedTokens();
    if (cachedTokens !== undefined) output.cachedTokens = cachedTokens;
    return [output];
  }

  /** What was read says of the token at `next`: known from the prompt, or drawn. */
  #take(sequence: Sequence, next: number, read: ReadToken | undefined, output: RowOutput): void {
    if (read === undefined) throw new Error('a position was not read');
    const { token, logprob } = read;
    const { request } = sequence;
    if (next < sequence.tokens.length) {
      if (logprob !== undefined) (output.promptLogprobs ??= []).push(logprob);
      sequence.scored = next + 1;
      return;
    }
    output.token = token;
    if (logprob !== undefined) output.logprob = logprob;
    const mayStop = sequence.generatedCount >= request.minTokens;
    sequence.append(token);
    this.totals.generatedTokens++;
    if (sequence.generatedCount === 1) output.lane = this.name;
    if (mayStop && request.stopTokenIds.includes(token)) output.finish = 'stop';
    else if (sequence.generatedCount >= request.maxTokens) output.finish = 'length';
  }

  #fail(sequence: Sequence, error: ErrorShape): RowOutput[] {
    sequence.leavesNothing = true;
    this.#end(sequence);
    return [{ id: sequence.id, error }];
  }

  #dropCancelled(): void {
    for (const id of this.#cancelled) {
      const sequence = this.#sequences.get(id);
      if (sequence !== undefined) this.#end(sequence);
    }
    this.#cancelled.clear();
  }

  #end(sequence: Sequence): void {
    this.#scheduler.remove(sequence);
    if (this.#sequences.delete(sequence.id) && !this.#cancelled.has(sequence.id)) this.#admission.leave();
  }

  #isRunning(id: string): boolean {
    return this.#scheduler.running.some((sequence) => sequence.id === id);
  }
}

function inPairs<T>(items: readonly T[]): T[][] {
  const pairs: T[][] = [];
  for (let i = 0; i < items.length; i += 2) pairs.push(items.slice(i, i + 2));
  return pairs;
}

function paddedTokens(rows: readonly ScheduledRow[]): number {
  return rows.length * Math.max(...rows.map(({ count }) => count));
}

function check(request: GenerationRequest, vocabSize: number): void {
  if (request.prompt.length === 0)
    throw new InvalidRequestError('The prompt is empty. Send one token at least.', 'prompt');
  const alien = request.prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabSize));
  if (alien !== undefined) {
    throw new InvalidRequestError(
      `The prompt holds the token id ${alien}, but the model's vocabulary ends at ${vocabSize - 1}. Tokenize it with the model's own tokenizer.`,
      'prompt',
    );
  }
  if (request.scoreFrom !== null && request.scoreFrom < 1) {
    throw new InvalidRequestError(
      'Log-probabilities begin with the second token: "scoreFrom" is 1 or more.',
      'scoreFrom',
    );
  }
}
