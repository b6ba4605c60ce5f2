import fc from 'fast-check';
import type { PrefillPace, RowsAtHand } from '../../../src/engine/prefill-pace.js';
import type { GenerationRequest } from '../../../src/engine/protocol.js';
import { type Schedule, Scheduler, type SchedulerLimits } from '../../../src/engine/scheduler.js';
import { Sequence } from '../../../src/engine/sequence.js';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { CountedBank, CountedKv } from './support/memory.js';
import { adapter, request } from './support/requests.js';

const LIMITS: SchedulerLimits = { maxRows: 4, prefillChunkTokens: 8, maxScoredPositions: 4, maxOvertakes: 3 };

/** The loop around the scheduler, with a model that always says 0. */
class Loop {
  readonly scheduler: Scheduler;
  readonly kv: CountedKv;
  readonly bank: CountedBank;
  readonly limits: SchedulerLimits;
  readonly finished: string[] = [];
  readonly failed = new Map<string, string>();
  /** Rows in the order in which they were first computed. */
  readonly begun: string[] = [];
  #arrivals = 0;

  constructor({
    limits = LIMITS,
    kv = new CountedKv(1024, 256),
    bank = new CountedBank(64),
    pace = undefined as Pick<PrefillPace, 'allowance'> | undefined,
  } = {}) {
    this.kv = kv;
    this.bank = bank;
    this.limits = limits;
    this.scheduler = new Scheduler(limits, kv, bank, pace);
  }

  add(asked: GenerationRequest): Sequence {
    const sequence = new Sequence(asked, this.#arrivals++);
    this.scheduler.add(sequence);
    return sequence;
  }

  step(): Schedule {
    const schedule = this.scheduler.schedule();
    this.#check(schedule);
    for (const { sequence, error } of schedule.failed) this.failed.set(sequence.id, error.code);
    const rows = schedule.runs.flat().sort((a, b) => a.sequence.arrival - b.sequence.arrival);
    for (const { sequence, count, logitsAt } of rows) {
      if (!this.begun.includes(sequence.id)) this.begun.push(sequence.id);
      const start = sequence.computed;
      sequence.computed += count;
      for (const index of logitsAt) {
        const next = start + index + 1;
        if (next < sequence.tokens.length) sequence.scored = next + 1;
        else sequence.append(0);
      }
      const { maxTokens } = sequence.request;
      const done = maxTokens === 0 ? sequence.pending === 0 : sequence.generatedCount >= maxTokens;
      if (!done) continue;
      this.scheduler.remove(sequence);
      this.finished.push(sequence.id);
    }
    this.bank.tick();
    return schedule;
  }

  run(maxSteps = 10_000): void {
    for (let n = 0; this.scheduler.rows > 0; n++) {
      if (n === maxSteps) throw new Error(`rows are left after ${maxSteps} steps`);
      this.step();
    }
  }

  /** What holds after every step. */
  #check({ runs }: Schedule): void {
    const { kv, bank, limits, scheduler } = this;
    const rows = runs.flat();
    hold('KV within its budget', kv.usedBytes <= kv.budgetBytes);
    hold('ranks within their budget', bank.usedRanks <= bank.rankBudget);
    hold('rows within their limit', scheduler.running.length <= limits.maxRows);
    hold('a row is in one run', new Set(rows.map(({ sequence }) => sequence)).size === rows.length);
    const prefilled = rows
      .filter(({ sequence }) => sequence.computed === 0 || sequence.pending > 1)
      .reduce((sum, { count }) => sum + count, 0);
    hold('prompt tokens within the chunk', prefilled <= limits.prefillChunkTokens);
    for (const run of runs) {
      const capacities = new Set(run.map(({ sequence }) => kv.capacity(sequence.id)));
      const begin = run.every(({ sequence }) => sequence.computed === 0);
      hold('a run has one capacity, or no past', capacities.size === 1 || begin);
    }
    for (const { sequence, count } of rows) {
      hold('a row computes something', count > 0);
      hold('there is room for it', kv.capacity(sequence.id) >= sequence.computed + count);
      hold('it is in the batch', scheduler.running.includes(sequence));
    }
    const held = new Set(kv.rows.keys());
    hold('only rows of the batch hold memory', scheduler.running.length === held.size);
    hold(
      'every row of the batch does',
      scheduler.running.every(({ id }) => held.has(id)),
    );
  }
}

/** Cheaper than `expect`, which is called too often here. */
function hold(what: string, holds: boolean): void {
  if (!holds) throw new Error(`broken: ${what}`);
}

const ids = (schedule: Schedule): string[][] => schedule.runs.map((run) => run.map(({ sequence }) => sequence.id));

describe('a step', () => {
  test('gives decoding rows a token each, and prompts what is left of the chunk', () => {
    const loop = new Loop();
    loop.add(request('short', 3, 5));
    expect(loop.step().runs.flat()).toMatchObject([{ count: 3, logitsAt: [2] }]);
    loop.add(request('long', 30, 2));
    for (const count of [8, 8, 8]) {
      const { runs } = loop.step();
      expect(runs.flat()).toMatchObject([
        { count: 1, logitsAt: [0] },
        { count, logitsAt: [] },
      ]);
    }
    expect(loop.step().runs.flat()).toMatchObject([
      { count: 1, logitsAt: [0] },
      { count: 6, logitsAt: [5] },
    ]);
  });

  test('gives prompts what the pace of decoding rows allows, told how many there are and what is to be read', () => {
    const asked: RowsAtHand[] = [];
    const pace = {
      allowance: (rows: RowsAtHand) => {
        asked.push(rows);
        return rows.decoding === 0 ? { tokens: 8, perRow: 0 } : { tokens: 5, perRow: 2 };
      },
    };
    let elsewhere = 0;
    const loop = new Loop({ pace, limits: { ...LIMITS, rowsElsewhere: () => elsewhere } });
    loop.add(request('decoding', 3, 5));
    loop.step();
    elsewhere = 1;
    loop.add(request('a', 7, 2));
    loop.add(request('b', 9, 2));
    // The rest of a's prompt leaves 3 tokens, of which another run costs 2.
    expect(loop.step()).toMatchObject({ decodeRuns: 1, runs: [[{ count: 1 }], [{ count: 5 }]] });
    const { runs, decodeRuns } = loop.step();
    expect(decodeRuns).toBe(1);
    expect(runs.slice(1).flat()).toMatchObject([{ count: 1 }, { count: 2 }]);
    expect(asked).toEqual([
      { decoding: 0, elsewhere: 0, beginning: 1, backlog: 3 },
      { decoding: 1, elsewhere: 1, beginning: 2, backlog: 16 },
      { decoding: 1, elsewhere: 1, beginning: 2, backlog: 11 },
    ]);
  });

  test('runs rows of one capacity together, and rows that begin whatever theirs', () => {
    const loop = new Loop({ limits: { ...LIMITS, prefillChunkTokens: 64 } });
    loop.add(request('a', 4, 9));
    loop.add(request('b', 4, 9));
    loop.add(request('c', 5, 9));
    loop.add(request('d', 16, 9));
    expect(ids(loop.step())).toEqual([['d'], ['c', 'a', 'b']]);
    // a and b grew to 8.
    expect(ids(loop.step())).toEqual([['a', 'b', 'c'], ['d']]);
  });

  test('puts out no more scored positions than it may', () => {
    const loop = new Loop();
    const sequence = loop.add(request('scored', 12, 0, { scoreFrom: 3 }));
    const counts: [number, number][] = [];
    while (loop.scheduler.rows > 0) {
      const [row] = loop.step().runs.flat();
      counts.push([row!.count, row!.logitsAt.length]);
    }
    // Positions 2 … 10 say what tokens 3 … 11 are worth; the last token itself is not computed.
    expect(counts).toEqual([
      [6, 4],
      [4, 4],
      [1, 1],
    ]);
    expect(sequence.scored).toBe(12);
  });

  test('does so also where a prompt that is not scored comes between', () => {
    const loop = new Loop({ limits: { ...LIMITS, prefillChunkTokens: 32 } });
    loop.add(request('scored', 5, 0, { scoreFrom: 1 }));
    loop.add(request('plain', 3, 2));
    loop.add(request('also scored', 20, 0, { scoreFrom: 1 }));
    const scored = loop.step().runs.flatMap((run) => run.filter(({ sequence }) => sequence.request.scoreFrom !== null));
    expect(scored.reduce((sum, { logitsAt }) => sum + logitsAt.length, 0)).toBe(LIMITS.maxScoredPositions);
    loop.run();
    expect(loop.finished).toHaveLength(3);
  });

  test('needs logits of every prompt token from scoreFrom on, and of the last one to go on', () => {
    const loop = new Loop({ limits: { ...LIMITS, maxScoredPositions: 100 } });
    loop.add(request('echoed', 5, 1, { scoreFrom: 1 }));
    expect(loop.step().runs.flat()).toMatchObject([{ count: 5, logitsAt: [0, 1, 2, 3, 4] }]);
  });
});

describe('what can never run is refused on arrival, with the numbers', () => {
  const refusal = (loop: Loop, asked: GenerationRequest): EspalierError => {
    try {
      loop.add(asked);
    } catch (error) {
      if (error instanceof EspalierError) return error;
      throw error;
    }
    throw new Error('it was taken');
  };

  test('positions', () => {
    const error = refusal(new Loop(), request('r', 200, 57));
    expect(error).toMatchObject({ code: 'context_length_exceeded', status: 400 });
    expect(error.details).toEqual({ promptTokens: 200, maxTokens: 57, maxPositions: 256 });
  });

  test('bytes of keys and values', () => {
    const error = refusal(new Loop({ kv: new CountedKv(127, 256) }), request('r', 60, 5));
    expect(error).toMatchObject({ code: 'kv_budget_exceeded', status: 400 });
    expect(error.details).toEqual({ promptTokens: 60, maxTokens: 5, budgetBytes: 127 });
  });

  test('ranks, each adapter counted once', () => {
    const loop = new Loop();
    const error = refusal(loop, request('r', 1, 1, { adapters: [adapter('a', 40), adapter('b', 25)] }));
    expect(error).toMatchObject({ code: 'rank_budget_exceeded', status: 400 });
    expect(error.details).toEqual({ rank: 65, rankBudget: 64 });
    loop.add(request('twice', 1, 1, { adapters: [adapter('a', 40), adapter('a', 40)] }));
    loop.run();
    expect(loop.finished).toEqual(['twice']);
  });
});

describe('waiting', () => {
  test('a row whose adapter is being read is passed over, and costs those behind it nothing', () => {
    const bank = new CountedBank(64, (digest) => (digest === 'slow' ? 40 : 0));
    const loop = new Loop({ bank });
    loop.add(request('slow', 2, 2, { adapters: [adapter('slow', 8)] }));
    for (let n = 0; n < 10; n++) loop.add(request(`quick-${n}`, 2, 2));
    loop.run();
    expect(loop.begun.at(-1)).toBe('slow');
    expect(loop.finished).toHaveLength(11);
  });

  test('a row that only lacks room is overtaken so often and not more', () => {
    const loop = new Loop();
    const wide = [adapter('wide', 60)];
    const narrow = [adapter('narrow', 8)];
    loop.add(request('first', 2, 4, { adapters: narrow }));
    loop.step();
    loop.add(request('wide', 2, 2, { adapters: wide }));
    for (let n = 0; n < 20; n++) loop.add(request(`narrow-${n}`, 2, 4, { adapters: narrow }));
    loop.run();
    expect(loop.begun.indexOf('wide')).toBe(1 + LIMITS.maxOvertakes);
    expect(loop.finished).toHaveLength(22);
  });

  test('the bank is told of all rows that wait, in order, when one comes, begins, leaves, or comes back', () => {
    const loop = new Loop({ limits: { ...LIMITS, maxRows: 2 }, kv: new CountedKv(16, 16) });
    const add = (id: string): Sequence => loop.add(request(id, 4, 8, { adapters: [adapter(id, 8)] }));
    const first = add('a');
    const [, c] = [add('b'), add('c'), add('d')];
    expect(loop.bank.expected).toEqual([['a'], ['b'], ['c'], ['d']]);
    loop.step();
    expect(loop.bank.expected).toEqual([['c'], ['d']]);
    loop.scheduler.remove(c);
    expect(loop.bank.expected).toEqual([['d']]);
    // At 9 positions there is room for one of both.
    for (let n = 0; n < 5; n++) loop.step();
    expect(loop.bank.expected).toEqual([['b'], ['d']]);
    loop.scheduler.remove(first);
    loop.step();
    expect(loop.bank.expected).toEqual([['d']]);
  });

  test('an adapter that cannot be read fails its rows alone, and is tried again for the next', () => {
    let delay = -1;
    const loop = new Loop({ bank: new CountedBank(64, () => delay) });
    loop.add(request('broken', 2, 1, { adapters: [adapter('a', 8)] }));
    loop.add(request('fine', 2, 1));
    loop.run();
    expect([...loop.failed]).toEqual([['broken', 'adapter_load_failed']]);
    expect(loop.finished).toEqual(['fine']);
    delay = 0;
    loop.add(request('again', 2, 1, { adapters: [adapter('a', 8)] }));
    loop.run();
    expect(loop.finished).toEqual(['fine', 'again']);
  });

  test('an adapter larger than was said fails its row instead of holding up the rest', () => {
    const bank = new CountedBank(16);
    const loop = new Loop({ bank });
    bank.prefetch(adapter('liar', 100));
    loop.add(request('liar', 2, 1, { adapters: [adapter('liar', 8)] }));
    loop.add(request('behind', 2, 1));
    loop.run();
    expect([...loop.failed]).toEqual([['liar', 'rank_budget_exceeded']]);
    expect(loop.finished).toEqual(['behind']);
  });

  test('a row that leaves gives back what it holds, wherever it stands', () => {
    const loop = new Loop();
    const uses = { adapters: [adapter('a', 8)] };
    const rows = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => loop.add(request(id, 2, 9, uses)));
    loop.step();
    for (const row of rows) loop.scheduler.remove(row);
    expect(loop.scheduler.rows).toBe(0);
    expect(loop.kv.usedBytes).toBe(0);
    expect(loop.bank.usedRanks).toBe(0);
  });
});

describe('preemption', () => {
  test('takes the youngest, which goes on later from what it had', () => {
    const loop = new Loop({ kv: new CountedKv(16, 16) });
    const older = loop.add(request('older', 4, 8, { adapters: [adapter('a', 8)] }));
    const younger = loop.add(request('younger', 4, 8, { adapters: [adapter('b', 8)] }));
    loop.step();
    // Both want 8 at once, which is all there is; at 9 positions one has to go.
    for (let n = 0; n < 4; n++) loop.step();
    expect(younger.preemptions).toBe(0);
    const { preempted } = loop.step();
    expect(preempted).toBe(1);
    expect([older.preemptions, younger.preemptions]).toEqual([0, 1]);
    expect(younger).toMatchObject({ computed: 0, generatedCount: 5 });
    expect(loop.bank.usedRanks).toBe(8);
    loop.run();
    expect(loop.finished).toEqual(['older', 'younger']);
    expect(younger.tokens).toHaveLength(12);
  });

  test('prompt tokens that were reported are not reported again', () => {
    const sequence = new Sequence(request('r', 4, 4, { scoreFrom: 1 }), 0);
    sequence.computed = 4;
    sequence.scored = 4;
    sequence.append(0);
    sequence.reset();
    expect([0, 1, 2, 3, 4].filter((position) => sequence.wantsLogitsAt(position))).toEqual([4]);
  });
});

describe('whatever comes, in whatever order', () => {
  const requests = fc.array(
    fc.record({
      promptLength: fc.integer({ min: 1, max: 40 }),
      maxTokens: fc.integer({ min: 0, max: 20 }),
      adapters: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
      scored: fc.boolean(),
      stepsBefore: fc.integer({ min: 0, max: 3 }),
      cancelled: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
    { minLength: 1, maxLength: 30 },
  );
  const world = fc.record({
    maxRows: fc.integer({ min: 1, max: 6 }),
    prefillChunkTokens: fc.integer({ min: 1, max: 20 }),
    maxScoredPositions: fc.integer({ min: 1, max: 6 }),
    maxOvertakes: fc.integer({ min: 0, max: 4 }),
    kvBytes: fc.integer({ min: 64, max: 160 }),
    rankBudget: fc.integer({ min: 24, max: 40 }),
    delay: fc.integer({ min: 0, max: 5 }),
  });

  test('no row is lost, every row ends complete, and no budget is exceeded', () => {
    fc.assert(
      fc.property(world, requests, ({ kvBytes, rankBudget, delay, ...limits }, asked) => {
        const bank = new CountedBank(rankBudget, (digest) => Number(digest) % (delay + 1));
        const loop = new Loop({ limits, kv: new CountedKv(kvBytes, 60), bank });
        const taken: Sequence[] = [];
        const cancelled: Sequence[] = [];
        for (const [
          n,
          { promptLength, maxTokens, adapters, scored, stepsBefore, cancelled: leaves },
        ] of asked.entries()) {
          for (let step = 0; step < stepsBefore; step++) loop.step();
          for (const sequence of cancelled.splice(0)) loop.scheduler.remove(sequence);
          // One token, and nothing to generate: there is nothing to compute.
          if (maxTokens === 0 && promptLength === 1) continue;
          const uses = { adapters: adapters.map((digest) => adapter(String(digest), 8)), scoreFrom: scored ? 1 : null };
          const sequence = loop.add(request(`r${n}`, promptLength, maxTokens, uses));
          (leaves ? cancelled : taken).push(sequence);
        }
        for (const sequence of cancelled) loop.scheduler.remove(sequence);
        loop.run();
        for (const { id } of taken) expect(loop.finished.filter((finished) => finished === id)).toHaveLength(1);
        for (const {
          request: { maxTokens, scoreFrom },
          promptLength,
          generatedCount,
          scored,
        } of taken) {
          expect(generatedCount).toBe(maxTokens);
          if (scoreFrom !== null) expect(scored).toBe(Math.max(1, promptLength));
        }
        expect(loop.kv.usedBytes).toBe(0);
        expect(bank.usedRanks).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('rows that want the same begin in the order in which they came', () => {
    fc.assert(
      fc.property(
        world,
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 25 }),
        (given, lengths) => {
          const { kvBytes, rankBudget, delay, ...limits } = given;
          const bank = new CountedBank(rankBudget, () => delay);
          const loop = new Loop({ limits, kv: new CountedKv(kvBytes, 60), bank });
          const uses = { adapters: [adapter('0', 8)] };
          // The same capacity for all, so that none fits where an older one doesn't.
          for (const [n, length] of lengths.entries()) loop.add(request(`r${n}`, 5 + (length % 4), 1, uses));
          loop.run();
          expect(loop.begun).toEqual(lengths.map((_, n) => `r${n}`));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a row is overtaken by later ones no more often than it may be, once its adapters are there', () => {
    fc.assert(
      fc.property(world, requests, ({ kvBytes, rankBudget, delay, ...limits }, asked) => {
        const loop = new Loop({
          limits,
          kv: new CountedKv(kvBytes, 64),
          bank: new CountedBank(rankBudget, (digest) => Number(digest) % (delay + 1)),
        });
        const rows = asked.map(({ promptLength, maxTokens, adapters }, n) =>
          loop.add(
            request(`r${n}`, promptLength, maxTokens + 1, { adapters: adapters.map((d) => adapter(String(d), 8)) }),
          ),
        );
        loop.run();
        // In one step, as many as there are places may pass before the count is looked at again.
        for (const { overtaken } of rows) expect(overtaken).toBeLessThanOrEqual(limits.maxOvertakes + limits.maxRows);
      }),
      { numRuns: 200 },
    );
  });
});
