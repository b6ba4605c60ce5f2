/** The KV cache against a plain record of what was written: budget, growth, moves. */
import fc from 'fast-check';
import { ByteBudget } from '../../../src/engine/byte-budget.js';
import { KvCache } from '../../../src/engine/kv-cache.js';
import { PrefixCache } from '../../../src/engine/prefix-cache.js';

const SHAPE = { layers: 2, kvHeads: 2, headDim: 3 };
const POSITION_BYTES = SHAPE.layers * SHAPE.kvHeads * SHAPE.headDim * 2 * 4;
const MAX_POSITIONS = 200;

const cache = (budgetPositions: number, maxRows = 8): { kv: KvCache; budget: ByteBudget } => {
  const budget = new ByteBudget(budgetPositions * POSITION_BYTES);
  return { kv: new KvCache(SHAPE, MAX_POSITIONS, budget, maxRows), budget };
};

/** A value that tells row, K or V, layer, head, position and element apart. */
const value = (seed: number, what: number, layer: number, head: number, position: number, d: number): number =>
  seed * 100_000 + what * 50_000 + ((layer * SHAPE.kvHeads + head) * MAX_POSITIONS + position) * SHAPE.headDim + d;

/** Positions [start, start + count) of several rows, as a run puts them out: [B, L·kv, T, hd]. */
function newRows(
  seeds: readonly number[],
  starts: readonly number[],
  tokens: number,
): { k: Float32Array; v: Float32Array } {
  const { layers, kvHeads, headDim } = SHAPE;
  const size = seeds.length * layers * kvHeads * tokens * headDim;
  const [k, v] = [new Float32Array(size), new Float32Array(size)];
  let at = 0;
  for (const [b, seed] of seeds.entries()) {
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < kvHeads; head++)
        for (let t = 0; t < tokens; t++)
          for (let d = 0; d < headDim; d++, at++) {
            k[at] = value(seed, 0, layer, head, starts[b]! + t, d);
            v[at] = value(seed, 1, layer, head, starts[b]! + t, d);
          }
  }
  return { k, v };
}

/** Reads what a run would be fed for these rows, and compares each position with what was written. */
function expectFed(kv: KvCache, rows: readonly { id: string; seed: number; length: number }[]): void {
  const { layers, kvHeads, headDim } = SHAPE;
  const bucket = kv.bucket(rows[0]!.id);
  const first = bucket.gather(rows.map(({ id }) => id));
  const fed = new Map(bucket.feed(first, rows.length));
  const slots = rows.map(({ id }) => bucket.slotOf(id));
  expect([...slots].sort((a, b) => a - b)).toEqual(rows.map((_, i) => first + i));
  for (const [i, { seed, length }] of rows.entries()) {
    const slot = slots[i]! - first;
    const wrong: string[] = [];
    for (let layer = 0; layer < layers; layer++) {
      const k = fed.get(`past_k.${layer}`)!;
      const v = fed.get(`past_v.${layer}`)!;
      expect(k.dims).toEqual([rows.length, kvHeads, headDim, bucket.capacity]);
      expect(v.dims).toEqual([rows.length, kvHeads, bucket.capacity, headDim]);
      for (let head = 0; head < kvHeads; head++)
        for (let position = 0; position < length; position++)
          for (let d = 0; d < headDim; d++) {
            const lane = slot * kvHeads + head;
            if (k.data[(lane * headDim + d) * bucket.capacity + position] !== value(seed, 0, layer, head, position, d))
              wrong.push(`k ${layer} ${head} ${position} ${d}`);
            if (v.data[(lane * bucket.capacity + position) * headDim + d] !== value(seed, 1, layer, head, position, d))
              wrong.push(`v ${layer} ${head} ${position} ${d}`);
          }
    }
    expect(wrong).toEqual([]);
  }
}

describe('places', () => {
  test.each([
    [1, 64],
    [63, 64],
    [64, 64],
    [65, 128],
    [128, 128],
    [129, 200],
    [200, 200],
  ])('a row of %i positions gets %i', (positions, capacity) => {
    const { kv } = cache(1000);
    expect(kv.open('row', positions)).toBe(true);
    expect(kv.capacity('row')).toBe(capacity);
    expect(kv.usedBytes).toBe(capacity * POSITION_BYTES);
  });

  test('no row is longer than the model serves, or than the whole budget', () => {
    const { kv } = cache(128);
    expect(kv.canEverFit(128)).toBe(true);
    expect(kv.canEverFit(129)).toBe(false);
    expect(kv.open('row', 129)).toBe(false);
    expect(cache(1000).kv.canEverFit(200)).toBe(true);
    expect(cache(1000).kv.canEverFit(201)).toBe(false);
    expect(cache(1000).kv.open('row', 201)).toBe(false);
  });

  test('a row that is out of budget changes nothing, and finds room once another has left', () => {
    const { kv } = cache(128 + 63);
    expect(kv.open('one', 64)).toBe(true);
    expect(kv.open('two', 64)).toBe(true);
    expect(kv.open('three', 1)).toBe(false);
    expect(kv.grow('two', 65)).toBe(false);
    expect(kv.capacity('two')).toBe(64);
    kv.close('one');
    expect(kv.grow('two', 65)).toBe(true);
    expect(kv.usedBytes).toBe(128 * POSITION_BYTES);
  });

  test('a row that fills the budget alone may have grown to it', () => {
    const { kv, budget } = cache(128);
    kv.open('row', 10);
    expect(budget.allocatedBytes).toBe(2 * 64 * POSITION_BYTES);
    expect(kv.grow('row', 128)).toBe(true);
    expect(budget.allocatedBytes).toBe(128 * POSITION_BYTES);
  });

  test('places held ready give way, also those of another model', () => {
    const budget = new ByteBudget(4 * 64 * POSITION_BYTES);
    const one = new KvCache(SHAPE, MAX_POSITIONS, budget, 8);
    const other = new KvCache(SHAPE, MAX_POSITIONS, budget, 8);
    expect(one.open('a', 64)).toBe(true);
    expect(budget.allocatedBytes).toBe(2 * 64 * POSITION_BYTES);
    for (const row of ['b', 'c', 'd']) expect(other.open(row, 64)).toBe(true);
    expect(budget.allocatedBytes).toBe(4 * 64 * POSITION_BYTES);
    expect(other.open('e', 64)).toBe(false);
  });

  test('buffers are freed with their last row', () => {
    const { kv, budget } = cache(1000);
    kv.open('one', 64);
    kv.open('two', 100);
    kv.close('one');
    expect(budget.allocatedBytes).toBe(2 * 128 * POSITION_BYTES);
    kv.trim();
    expect(budget.allocatedBytes).toBe(128 * POSITION_BYTES);
    kv.close('two');
    kv.close('two');
    expect(budget.allocatedBytes).toBe(0);
    expect(kv.usedBytes).toBe(0);
  });

  test('a place is asked for by name', () => {
    const { kv } = cache(1000);
    kv.open('row', 1);
    expect(() => kv.open('row', 1)).toThrow('row');
    expect(() => kv.capacity('other')).toThrow('other');
  });
});

describe('contents', () => {
  test('whatever is opened, grown, closed and run together, each row keeps what was written for it', () => {
    const command = fc.record({
      action: fc.constantFrom('open', 'write', 'write', 'write', 'close', 'read', 'trim'),
      row: fc.integer({ min: 0, max: 5 }),
      among: fc.integer({ min: 0, max: 63 }),
      count: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(command, { minLength: 10, maxLength: 60 }), (commands) => {
        const { kv, budget } = cache(700);
        const rows = new Map<number, { id: string; seed: number; length: number }>();
        let seed = 0;
        for (const { action, row, among, count } of commands) {
          const each = rows.get(row);
          if (action === 'open' && each === undefined) {
            const fresh = { id: `row-${row}`, seed: seed++, length: 0 };
            if (kv.open(fresh.id, count)) rows.set(row, fresh);
          } else if (action === 'trim') {
            kv.trim();
          } else if (each !== undefined && action === 'close') {
            kv.close(each.id);
            rows.delete(row);
          } else if (each !== undefined && action === 'write') {
            if (!kv.grow(each.id, each.length + count)) continue;
            // Two rows in the run, of which the second is written, with one token of padding.
            const run = newRows([99, each.seed], [0, each.length], count + 1);
            kv.bucket(each.id).write(each.id, each.length, count, 1, { ...run, tokens: count + 1 });
            each.length += count;
          } else if (each !== undefined && action === 'read') {
            const together = [...rows]
              .filter(
                ([i, { id }]) => kv.capacity(id) === kv.capacity(each.id) && (i === row || (among >> i) % 2 === 1),
              )
              .map(([, one]) => one);
            expectFed(kv, together);
          }
          const live = [...rows.values()].reduce((sum, { id }) => sum + kv.capacity(id), 0);
          expect(kv.usedBytes).toBe(live * POSITION_BYTES);
          expect(budget.allocatedBytes).toBeLessThanOrEqual(budget.limitBytes);
          expect(budget.allocatedBytes).toBeGreaterThanOrEqual(kv.usedBytes);
        }
        for (const row of rows.values()) expectFed(kv, [row]);
      }),
      { numRuns: 60 },
    );
  });

  test('rows that are neighbours already are fed where they are', () => {
    const { kv } = cache(1000);
    for (const row of ['a', 'b', 'c', 'd']) kv.open(row, 64);
    const bucket = kv.bucket('a');
    expect(bucket.gather(['c', 'b'])).toBe(1);
    expect(bucket.feed(1, 2)).toBe(bucket.feed(1, 2));
    expect(['a', 'b', 'c', 'd'].map((row) => bucket.slotOf(row))).toEqual([0, 1, 2, 3]);
    // One move into the hole, and the others stay.
    kv.close('b');
    expect(bucket.gather(['a', 'd'])).toBe(0);
    expect(['a', 'c', 'd'].map((row) => bucket.slotOf(row))).toEqual([0, 2, 1]);
  });
});

describe('what rows leave behind', () => {
  const TOKENS = Array.from({ length: 120 }, (_, i) => i);
  const contents = { scope: 'path', tokens: TOKENS };

  const keeping = (budgetPositions: number, keptPositions = budgetPositions) => {
    const budget = new ByteBudget(budgetPositions * POSITION_BYTES);
    const prefixes = new PrefixCache(keptPositions * POSITION_BYTES, budget);
    return { budget, prefixes, kv: new KvCache(SHAPE, MAX_POSITIONS, budget, 1, prefixes) };
  };
  /** Writes positions from `start` to before `end`. */
  const compute = (kv: KvCache, row: string, seed: number, start: number, end: number) => {
    kv.grow(row, end);
    kv.write(row, start, end - start, 0, { ...newRows([seed], [start], end - start), tokens: end - start });
  };

  test('is in the place of a row that begins alike, as far as it may be', () => {
    const { kv } = keeping(1000);
    kv.open('one', 90, { ...contents, most: 89 });
    expect(kv.reused('one')).toBe(0);
    compute(kv, 'one', 7, 0, 90);
    kv.close('one', contents);
    kv.open('other', 120, { ...contents, most: 119 });
    expect(kv.reused('other')).toBe(90);
    expectFed(kv, [{ id: 'other', seed: 7, length: 90 }]);
    kv.open('short', 60, { ...contents, most: 59 });
    expect(kv.reused('short')).toBe(59);
    expectFed(kv, [{ id: 'short', seed: 7, length: 59 }]);
    kv.open('another', 60, { ...contents, scope: 'another path', most: 59 });
    expect(kv.reused('another')).toBe(0);
  });

  test('goes on growing with the rows that go on from it', () => {
    const { kv } = keeping(1000);
    for (const [turn, end] of [30, 70, 115].entries()) {
      const id = `turn ${turn}`;
      kv.open(id, end, { ...contents, most: end - 1 });
      compute(kv, id, 7, kv.reused(id), end);
      expectFed(kv, [{ id, seed: 7, length: end }]);
      kv.close(id, contents);
    }
    kv.open('last', 120, { ...contents, most: 119 });
    expect(kv.reused('last')).toBe(115);
    expectFed(kv, [{ id: 'last', seed: 7, length: 115 }]);
  });

  test('is only what was written without a gap: a run that overflowed wrote nothing', () => {
    const { kv } = keeping(1000);
    kv.open('one', 90);
    compute(kv, 'one', 7, 0, 40);
    compute(kv, 'one', 7, 60, 90);
    kv.close('one', contents);
    kv.open('other', 90, { ...contents, most: 89 });
    expect(kv.reused('other')).toBe(40);
  });

  test('is nothing where the row names no contents, or its cache is gone', () => {
    const { kv, budget, prefixes } = keeping(1000);
    kv.open('one', 64);
    compute(kv, 'one', 7, 0, 64);
    kv.close('one');
    expect(prefixes.counts.bytes).toBe(0);
    kv.open('two', 64);
    compute(kv, 'two', 7, 0, 64);
    kv.close('two', contents);
    expect(prefixes.counts.bytes).toBe(64 * POSITION_BYTES);
    kv.dispose();
    expect(prefixes.counts.bytes).toBe(0);
    expect(budget.allocatedBytes).toBe(0);
  });

  test('never keeps a row from its place, and is reused though room has to be made', () => {
    const { kv, budget } = keeping(192);
    kv.open('one', 64);
    compute(kv, 'one', 7, 0, 64);
    kv.close('one', contents);
    kv.open('two', 64);
    // 64 positions kept and 64 of a row: of 192, 128 are free for rows.
    expect(kv.open('three', 128, { ...contents, most: 127 })).toBe(true);
    expect(budget.allocatedBytes).toBeLessThanOrEqual(budget.limitBytes);
    expect(kv.reused('three')).toBe(64);
    expectFed(kv, [{ id: 'three', seed: 7, length: 64 }]);
    kv.close('three');
    kv.open('four', 64, { ...contents, most: 63 });
    expect(kv.reused('four')).toBe(0);
  });
});
