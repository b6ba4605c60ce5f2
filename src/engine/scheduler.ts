/**
 * Decides which rows compute what in the next step. Policy only: no tensors, nothing asynchronous.
 *
 * 1. Rows that decode come first, one token each. Where a row can't grow, the youngest row in the batch is preempted: it
 *    gives back its place and its adapters, and is computed again later from its tokens.
 * 2. Rows in the batch whose prompt isn't through share the prompt tokens of the step, oldest first: `prefillChunkTokens`
 *    where no row decodes, else what the pace of those that do allows.
 * 3. Waiting rows are admitted, oldest first, while there are places and prefill tokens left.
 *
 * Who waits for what: a row whose adapters are still being read from disk is passed over, and costs those behind it
 * nothing. A row that has its adapters in memory but no room in bank or KV cache is passed over too, but only
 * `maxOvertakes` times: then nothing behind it is admitted until the batch has drained enough. Since whatever could not
 * run alone is refused on arrival, every row gets its turn. That holds within one model: models share KV memory without a
 * queue between them, so a busy one can keep a long row of another waiting.
 */
import { ContextLengthExceededError, KvBudgetExceededError, RankBudgetExceededError } from '../errors/admission.js';
import type { ErrorShape } from '../errors/espalier-error.js';
import type { KvBudget } from './kv-budget.js';
import { PrefillPace, type PrefillAllowance } from './prefill-pace.js';
import type { AdapterUse } from './protocol.js';
import type { Residency } from './residency.js';
import type { Sequence } from './sequence.js';

/** What the scheduler sees of the bank. */
export interface AdapterPlaces {
  readonly rankBudget: number;
  /**
   * The adapters of all rows that wait, in the order in which the rows came: they are read into memory and stay there, as
   * far as there is room, and whatever the room for the first row. What was said before no longer counts.
   */
  expect(rows: readonly (readonly AdapterUse[])[]): void;
  /** Starts reading an adapter that isn't in memory, also one that couldn't be read before. */
  prefetch(use: AdapterUse): void;
  state(digest: string): Residency;
  /** Why an adapter couldn't be read. */
  failure(digest: string): ErrorShape | null;
  /** Takes a reference on each, all or none. False: they don't fit beside what is in use. All must be in memory. */
  acquire(uses: readonly AdapterUse[]): boolean;
  /** `run`: false where the row that acquired them didn't begin. */
  release(uses: readonly AdapterUse[], run?: boolean): void;
}

export interface SchedulerLimits {
  maxRows: number;
  /** Rows in other batches that count towards `maxRows`. */
  rowsElsewhere?: () => number;
  /** Prompt tokens of one step, at the most. */
  prefillChunkTokens: number;
  /** Rows of logits that one step may put out for scored prompts. */
  maxScoredPositions: number;
  /** How often a row that lacks nothing but room may be overtaken. */
  maxOvertakes: number;
}

/** `count` new tokens of a row from `sequence.computed` on; logits are needed at those indices into them. */
export interface ScheduledRow {
  sequence: Sequence;
  count: number;
  logitsAt: number[];
}

export interface Schedule {
  /** Rows of one run have the same KV capacity, or none has anything cached; and their lengths are near each other. */
  runs: ScheduledRow[][];
  /** So many of the runs, the first ones, are of rows that decode; the others read prompts. */
  decodeRuns: number;
  /** Rows that can't go on. They are no longer held. */
  failed: { sequence: Sequence; error: ErrorShape }[];
  preempted: number;
}

export class Scheduler {
  /** In order of arrival. */
  readonly #running: Sequence[] = [];
  readonly #waiting: Sequence[] = [];
  readonly #limits: SchedulerLimits;
  readonly #kv: KvBudget;
  readonly #bank: AdapterPlaces;
  readonly #pace: Pick<PrefillPace, 'allowance'>;

  /** Without a pace, prompts get full chunks whatever decodes beside them. */
  constructor(
    limits: SchedulerLimits,
    kv: KvBudget,
    bank: AdapterPlaces,
    pace: Pick<PrefillPace, 'allowance'> = new PrefillPace(limits.prefillChunkTokens, null),
  ) {
    this.#limits = limits;
    this.#kv = kv;
    this.#bank = bank;
    this.#pace = pace;
  }

  get running(): readonly Sequence[] {
    return this.#running;
  }

  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  get rows(): number {
    return this.#running.length + this.#waiting.length;
  }

  /** Throws where the row could not run even alone. */
  add(sequence: Sequence): void {
    const { maxTokens } = sequence.request;
    const positions = sequence.promptLength + maxTokens;
    if (positions > this.#kv.maxPositions) {
      throw new ContextLengthExceededError(sequence.promptLength, maxTokens, this.#kv.maxPositions);
    }
    if (!this.#kv.canEverFit(positions)) {
      throw new KvBudgetExceededError(sequence.promptLength, maxTokens, this.#kv.budgetBytes);
    }
    const rank = totalRank(sequence.adapters);
    if (rank > this.#bank.rankBudget) throw new RankBudgetExceededError(rank, this.#bank.rankBudget);
    insert(this.#waiting, sequence);
    // What failed for an earlier row is tried again for a new one: the blob may be back.
    for (const use of sequence.adapters) if (this.#bank.failure(use.digest) !== null) this.#bank.prefetch(use);
    this.#expect();
  }

  /** Lets a row go, wherever it stands. */
  remove(sequence: Sequence): void {
    if (take(this.#running, sequence)) this.#giveBack(sequence);
    else if (take(this.#waiting, sequence)) this.#expect();
  }

  schedule(): Schedule {
    const schedule: Schedule = { runs: [], decodeRuns: 0, failed: [], preempted: 0 };
    const decode = this.#decodeRows(schedule);
    const prefill = this.#prefillRows(schedule, decode.length);
    const first = prefill.filter(({ sequence }) => sequence.computed === 0);
    const later = prefill.filter(({ sequence }) => sequence.computed > 0);
    const decodeRuns = byCapacity(decode, this.#kv);
    schedule.decodeRuns = decodeRuns.length;
    schedule.runs = [...decodeRuns, ...nearLengths(first), ...byCapacity(later, this.#kv).flatMap(nearLengths)];
    return schedule;
  }

  #decodeRows(schedule: Schedule): ScheduledRow[] {
    const rows: ScheduledRow[] = [];
    // Preemption takes from the young end, so those already in `rows` stay.
    for (const sequence of [...this.#running]) {
      if (sequence.pending !== 1 || sequence.computed === 0) continue;
      if (this.#running.includes(sequence) && this.#grow(sequence, schedule)) rows.push(row(sequence, 1));
    }
    return rows;
  }

  #grow(sequence: Sequence, schedule: Schedule): boolean {
    while (!this.#kv.grow(sequence.id, sequence.computed + 1)) {
      // Not empty: `sequence` itself is in it.
      const youngest = this.#running.pop() ?? sequence;
      this.#giveBack(youngest);
      youngest.reset();
      insert(this.#waiting, youngest);
      schedule.preempted++;
      if (youngest === sequence) return false;
    }
    return true;
  }

  #prefillRows(schedule: Schedule, decodingRows: number): ScheduledRow[] {
    const rows: ScheduledRow[] = [];
    const { tokens, perRow } = this.#allowance(decodingRows);
    const left = { tokens, scored: this.#limits.maxScoredPositions };
    const give = (sequence: Sequence): void => {
      const chunk = this.#chunk(sequence, left);
      if (chunk.count === 0) return;
      left.tokens -= chunk.count + perRow;
      // The last position of a prompt that isn't scored may take one more.
      left.scored = Math.max(0, left.scored - chunk.logitsAt.length);
      rows.push(chunk);
    };
    for (const sequence of this.#running) {
      if (left.tokens > 0 && (sequence.pending > 1 || sequence.computed === 0)) give(sequence);
    }
    this.#admit(schedule, () => left.tokens > 0, give);
    return rows;
  }

  #allowance(decodingRows: number): PrefillAllowance {
    const { maxRows, rowsElsewhere } = this.#limits;
    const elsewhere = rowsElsewhere?.() ?? 0;
    const begun = this.#running.filter(({ pending, computed }) => pending > 1 || computed === 0);
    const places = Math.max(0, maxRows - this.#running.length - elsewhere);
    return this.#pace.allowance({
      decoding: decodingRows,
      elsewhere,
      beginning: begun.length + Math.min(places, this.#waiting.length),
      backlog: [...begun, ...this.#waiting].reduce((sum, { pending }) => sum + pending, 0),
    });
  }

  get #isFull(): boolean {
    const { maxRows, rowsElsewhere } = this.#limits;
    return this.#running.length + (rowsElsewhere?.() ?? 0) >= maxRows;
  }

  /** The longest next chunk within what is left of the step. */
  #chunk(sequence: Sequence, left: { tokens: number; scored: number }): ScheduledRow {
    const chunk = row(sequence, Math.min(sequence.pending, left.tokens));
    const firstTooMany = chunk.logitsAt[left.scored];
    if (sequence.request.scoreFrom === null || firstTooMany === undefined) return chunk;
    return row(sequence, firstTooMany);
  }

  #admit(schedule: Schedule, hasTokens: () => boolean, give: (sequence: Sequence) => void): void {
    const passedOver: Sequence[] = [];
    const waited = this.#waiting.length;
    this.#expect();
    for (const sequence of [...this.#waiting]) {
      const error = this.#adapterFailure(sequence);
      if (error !== null) {
        take(this.#waiting, sequence);
        schedule.failed.push({ sequence, error });
        continue;
      }
      if (this.#isFull || !hasTokens()) break;
      const place = this.#place(sequence);
      if (place === 'taken') {
        take(this.#waiting, sequence);
        insert(this.#running, sequence);
        give(sequence);
        for (const older of passedOver) older.overtaken++;
      } else if (place === 'no ranks' && this.#running.length === 0) {
        // Nothing is in use, and still they don't fit: the adapters are larger than the request said.
        take(this.#waiting, sequence);
        const error = new RankBudgetExceededError(totalRank(sequence.adapters), this.#bank.rankBudget);
        schedule.failed.push({ sequence, error: error.toShape() });
      } else {
        if (sequence.ready) passedOver.push(sequence);
        if (this.#holdsTheDoor(sequence)) break;
      }
    }
    if (this.#waiting.length < waited) this.#expect();
  }

  #expect(): void {
    this.#bank.expect(this.#waiting.map(({ adapters }) => adapters));
  }

  #holdsTheDoor(sequence: Sequence): boolean {
    return sequence.overtaken >= this.#limits.maxOvertakes;
  }

  #adapterFailure(sequence: Sequence): ErrorShape | null {
    for (const { digest } of sequence.adapters) {
      const error = this.#bank.failure(digest);
      if (error !== null) return error;
    }
    return null;
  }

  /** Room in bank and KV cache, or nothing. */
  #place(sequence: Sequence): 'taken' | 'loading' | 'no ranks' | 'no positions' {
    if (!sequence.adapters.every(({ digest }) => this.#bank.state(digest) === 'resident')) return 'loading';
    sequence.ready = true;
    if (!this.#bank.acquire(sequence.adapters)) return 'no ranks';
    const { id, tokens, contents, reusable } = sequence;
    if (this.#kv.open(id, tokens.length, contents && { ...contents, most: reusable })) {
      sequence.begin(this.#kv.reused?.(id) ?? 0);
      return 'taken';
    }
    this.#bank.release(sequence.adapters, false);
    return 'no positions';
  }

  #giveBack(sequence: Sequence): void {
    this.#kv.close(sequence.id, sequence.contents);
    this.#bank.release(sequence.adapters);
  }
}

/** Ranks of the distinct adapters. */
export function totalRank(uses: readonly AdapterUse[]): number {
  let total = 0;
  for (const rank of new Map(uses.map((use) => [use.digest, use.rank])).values()) total += rank;
  return total;
}

function row(sequence: Sequence, count: number): ScheduledRow {
  const logitsAt: number[] = [];
  for (let index = 0; index < count; index++) {
    if (sequence.wantsLogitsAt(sequence.computed + index)) logitsAt.push(index);
  }
  return { sequence, count, logitsAt };
}

function byCapacity(rows: readonly ScheduledRow[], kv: KvBudget): ScheduledRow[][] {
  const groups = new Map<number, ScheduledRow[]>();
  for (const each of rows) {
    const capacity = kv.capacity(each.sequence.id);
    const group = groups.get(capacity);
    if (group === undefined) groups.set(capacity, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

/** Rows of a run are padded to the longest: parts them so that a row is padded by a third of its length at the most. */
function nearLengths(rows: readonly ScheduledRow[]): ScheduledRow[][] {
  const runs: ScheduledRow[][] = [];
  for (const each of [...rows].sort((a, b) => b.count - a.count)) {
    const run = runs.at(-1);
    if (run !== undefined && each.count * 4 >= (run[0]?.count ?? 0) * 3) run.push(each);
    else runs.push([each]);
  }
  return runs;
}

/** Keeps the order of arrival. */
function insert(sequences: Sequence[], sequence: Sequence): void {
  const place = sequences.findIndex(({ arrival }) => arrival > sequence.arrival);
  sequences.splice(place < 0 ? sequences.length : place, 0, sequence);
}

function take(sequences: Sequence[], sequence: Sequence): boolean {
  const place = sequences.indexOf(sequence);
  if (place < 0) return false;
  sequences.splice(place, 1);
  return true;
}
