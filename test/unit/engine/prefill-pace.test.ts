/** The pace of prompts against runs whose cost is simulated: fixed + slope · size, and what is around them. */
import { LinearCost } from '../../../src/engine/linear-cost.js';
import { PrefillPace } from '../../../src/engine/prefill-pace.js';

const FULL = 128;
const STRETCH = 1.8;

/** The curve of a decoder that takes 22 ms to read its weights and 1.7 ms more for each token. */
const ms = (tokens: number, slower = 1): number => slower * (22 + 1.7 * tokens);

const stepOf = (rows: number, chunk: number): number => (ms(rows) + ms(chunk)) / ms(rows);

describe('a linear cost', () => {
  test('is found from runs of several sizes, and kept while they are of one', () => {
    const cost = new LinearCost();
    expect(cost.known).toBe(false);
    for (const size of [128, 20, 64, 8, 128, 31]) cost.observe(size, ms(size));
    expect(cost.slope).toBeCloseTo(1.7, 6);
    expect(cost.estimate(0)).toBeCloseTo(22, 6);
    for (let i = 0; i < 100; i++) cost.observe(12, ms(12));
    expect(cost.slope).toBeCloseTo(1.7, 6);
    expect(cost.estimate(40)).toBeCloseTo(ms(40), 6);
  });

  test('takes the cost for proportional until it knows better', () => {
    const cost = new LinearCost();
    cost.observe(100, 50);
    expect(cost.slope).toBeNull();
    expect(cost.estimate(10)).toBe(5);
  });

  test('is never negative, nor does a larger run cost less', () => {
    const cost = new LinearCost();
    for (const size of [10, 100, 20, 90]) cost.observe(size, 200 - size);
    expect(cost.slope).toBe(0);
    cost.observe(1000, 1e-9);
    expect(cost.estimate(0)).toBeGreaterThanOrEqual(0);
  });

  test('follows a machine that got slower, and is not led astray by one long run', () => {
    const cost = new LinearCost();
    for (const size of [10, 100, 20, 90]) cost.observe(size, ms(size));
    const before = cost.estimate(50);
    cost.observe(50, 100 * ms(50));
    expect(cost.estimate(50)).toBeLessThan(1.5 * before);
    for (let i = 0; i < 80; i++) cost.observe([10, 100, 20, 90][i % 4]!, ms([10, 100, 20, 90][i % 4]!, 3));
    expect(cost.estimate(50)).toBeCloseTo(ms(50, 3), 1);
  });
});

describe('the pace', () => {
  test('is a full chunk where no row decodes, or where it is switched off', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    pace.decoded(8, ms(8));
    pace.prefilled(64, ms(64));
    expect(pace.allowance({ decoding: 0, beginning: 1, backlog: 1000 })).toEqual({ tokens: FULL, perRow: 0 });
    const off = new PrefillPace(FULL, null);
    off.decoded(8, ms(8));
    off.prefilled(64, ms(64));
    expect(off.allowance({ decoding: 8, beginning: 1, backlog: 1000 })).toEqual({ tokens: FULL, perRow: 0 });
  });

  test('is the smallest chunk before anything was measured', () => {
    expect(new PrefillPace(FULL, STRETCH).allowance({ decoding: 4, beginning: 1, backlog: 1000 }).tokens).toBe(8);
  });

  test.each([1, 4, 16])('keeps the step of %i rows within 1.8×, where prompts are read in the same run', (rows) => {
    const pace = new PrefillPace(FULL, STRETCH);
    pace.prefilled(FULL, ms(FULL));
    pace.decoded(rows, ms(rows));
    const stretches: number[] = [];
    for (let step = 0; step < 64; step++) {
      const { tokens } = pace.allowance({ decoding: rows, beginning: 1, backlog: 1000 });
      if (tokens === 0) {
        pace.decoded(rows, ms(rows));
        continue;
      }
      stretches.push(ms(rows + tokens) / ms(rows));
      pace.prefilled(tokens, ms(rows + tokens), rows);
    }
    // The others left prompts out.
    expect(stretches.length).toBeGreaterThanOrEqual(60);
    // What tokens add is known once chunks of two lengths were read.
    for (const stretch of stretches.slice(5)) {
      expect(stretch).toBeLessThanOrEqual(STRETCH + 1e-9);
      expect(stretch).toBeGreaterThan(STRETCH - 1.7 / ms(rows) - 0.02);
    }
  });

  test('knows what decoding takes when prompts never end to come in, from the start on', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    const stretches: number[] = [];
    for (let step = 0; step < 400; step++) {
      // Rows come until there are 16, and grow longer and so dearer.
      const rows = Math.min(16, 2 + Math.floor(step / 20));
      const slower = 1 + step / 400;
      const { tokens } = pace.allowance({ decoding: rows, beginning: 1, backlog: 1000 });
      if (tokens === 0) pace.decoded(rows, ms(rows, slower));
      else pace.prefilled(tokens, ms(rows + tokens, slower), rows);
      if (step % 50 === 0) pace.prefilled(FULL, ms(FULL, slower));
      stretches.push(ms(rows + tokens) / ms(rows));
    }
    const settled = stretches.slice(20);
    expect(Math.max(...settled)).toBeLessThanOrEqual(2);
    // And makes use of what it may, but for the steps that leave prompts out.
    expect(settled.filter((stretch) => stretch > 1.6).length).toBeGreaterThan(0.8 * settled.length);
  });

  test('leaves prompts out for no row of another batch', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (let step = 0; step < 40; step++) pace.prefilled(8, ms(9), 1);
    expect(pace.allowance({ decoding: 1, beginning: 1, backlog: 1000 }).tokens).toBe(0);
    expect(pace.allowance({ decoding: 0, elsewhere: 1, beginning: 1, backlog: 1000 }).tokens).toBe(8);
  });

  test.each([16, 32, 64])('keeps the step of %i rows within 1.8×, from the first long chunk on', (rows) => {
    const pace = new PrefillPace(FULL, STRETCH);
    pace.prefilled(FULL, ms(FULL));
    pace.decoded(rows, ms(rows));
    for (let step = 0; step < 60; step++) {
      const { tokens } = pace.allowance({ decoding: rows, beginning: 1, backlog: 1000 });
      expect(stepOf(rows, tokens)).toBeLessThanOrEqual(STRETCH + 1e-9);
      // And makes use of what it may.
      expect(stepOf(rows, tokens + 1)).toBeGreaterThan(STRETCH - 0.02);
      pace.prefilled(tokens, ms(tokens));
      pace.decoded(rows, ms(rows));
    }
  });

  test('keeps it while the machine gets slower and faster, and rows come and go', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40, 90]) pace.prefilled(tokens, ms(tokens));
    let late = 0;
    for (let step = 0; step < 300; step++) {
      const slower = 1 + Math.abs(Math.sin(step / 40));
      const rows = 16 + Math.round(12 * Math.sin(step / 25));
      pace.decoded(rows, ms(rows, slower));
      const { tokens } = pace.allowance({ decoding: rows, beginning: 1, backlog: 1000 });
      if (stepOf(rows, tokens) > 2 && tokens > 8) late++;
      pace.prefilled(tokens, ms(tokens, slower));
    }
    expect(late).toBe(0);
  });

  test('goes on by the smallest chunk where a run alone is as long as a step', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(1, ms(1));
    expect(pace.allowance({ decoding: 1, beginning: 1, backlog: 1000 }).tokens).toBe(8);
  });

  test('counts a further row as the run that it may be', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(32, ms(32));
    expect(pace.allowance({ decoding: 32, beginning: 1, backlog: 100 }).perRow).toBe(Math.ceil(22 / 1.7));
  });

  test('gives way to more rows that want to begin than decode', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(4, ms(4));
    expect(pace.allowance({ decoding: 4, beginning: 5, backlog: 160 })).toEqual({ tokens: FULL, perRow: 0 });
    expect(pace.allowance({ decoding: 4, beginning: 4, backlog: 1000 }).tokens).toBe(8);
  });

  test('gives way to a burst of short prompts', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(8, ms(8));
    const full = { tokens: FULL, perRow: 0 };
    expect(pace.allowance({ decoding: 8, beginning: 5, backlog: 160 })).toEqual(full);
    expect(pace.allowance({ decoding: 8, beginning: 5, backlog: 4 * FULL })).toEqual(full);
    expect(pace.allowance({ decoding: 8, beginning: 2, backlog: FULL })).toEqual(full);
    // Too much to read, by many rows or few; a single one.
    expect(pace.allowance({ decoding: 8, beginning: 5, backlog: 4 * FULL + 1 })).not.toEqual(full);
    expect(pace.allowance({ decoding: 8, beginning: 4, backlog: FULL + 1 })).not.toEqual(full);
    expect(pace.allowance({ decoding: 1, beginning: 1, backlog: 160 })).not.toEqual(full);
  });

  test('asks what decoding takes as soon as the rows are many more or fewer than when it was asked last', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(8, ms(8));
    pace.prefilled(8, ms(8 + 8), 8);
    expect(pace.allowance({ decoding: 12, beginning: 1, backlog: 100 }).tokens).toBeGreaterThan(0);
    for (const decoding of [13, 5]) expect(pace.allowance({ decoding, beginning: 1, backlog: 100 }).tokens).toBe(0);
    pace.decoded(13, ms(13));
    expect(pace.allowance({ decoding: 13, beginning: 1, backlog: 100 }).tokens).toBeGreaterThan(0);
  });

  test('gives way to a backlog, so that what waits is read in the end', () => {
    const pace = new PrefillPace(FULL, STRETCH);
    for (const tokens of [128, 40]) pace.prefilled(tokens, ms(tokens));
    pace.decoded(16, ms(16));
    expect(pace.allowance({ decoding: 16, beginning: 1, backlog: 6400 }).tokens).toBe(40);
    expect(pace.allowance({ decoding: 16, beginning: 1, backlog: 1e6 }).tokens).toBe(FULL);
  });
});
