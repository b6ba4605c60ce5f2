/** Blocks of the GPU's KV pool: whose they are, what is shared and kept. The tensors are arrays, and hold tokens. */
import fc from 'fast-check';
import { ByteBudget } from '../../../src/engine/byte-budget.js';
import { GpuKv } from '../../../src/engine/gpu/gpu-kv.js';
import { PrefixCache } from '../../../src/engine/prefix-cache.js';
import { poolK } from '../../../src/graph/pool-ports.js';
import { ArrayDevice, dataOf } from './support/array-device.js';

const SHAPE = { layers: 1, kvHeads: 1, headDim: 1 };
const BLOCK = 64;
/** A position has one number in K and one in V. */
const BLOCK_BYTES = 8 * BLOCK;

const tokensFrom = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i);

class Pool {
  readonly budget: ByteBudget;
  readonly prefixes: PrefixCache;
  readonly device = new ArrayDevice();
  readonly kv: GpuKv;
  readonly rows = new Map<string, { scope: string; tokens: number[]; computed: number }>();

  constructor(blocks: number, kept = blocks, budget = new ByteBudget(blocks * BLOCK_BYTES)) {
    this.budget = budget;
    this.prefixes = new PrefixCache(kept * BLOCK_BYTES, budget);
    this.kv = new GpuKv(SHAPE, 100_000, budget, this.device, this.prefixes);
  }

  /** Positions that were found; null where there is no room. */
  open(row: string, scope: string, tokens: number[]): number | null {
    if (!this.kv.open(row, tokens.length, { scope, tokens, most: tokens.length - 1 })) return null;
    this.rows.set(row, { scope, tokens, computed: this.kv.reused(row) });
    return this.kv.reused(row);
  }

  /** Writes what isn't there yet where the row has it, and reads the whole. */
  async run(...names: string[]): Promise<void> {
    await this.kv.prepare();
    for (const name of names) {
      const row = this.rows.get(name)!;
      const blocks = this.kv.blocks(name);
      const line = (position: number) => blocks[Math.floor(position / BLOCK)]! * BLOCK + (position % BLOCK);
      const k = dataOf({ tensor: this.kv.feeds().fed[poolK(0)]! });
      for (let at = row.computed; at < row.tokens.length; at++) k[line(at)] = row.tokens[at]!;
      this.kv.wrote(name, row.computed, row.tokens.length - row.computed);
      row.computed = row.tokens.length;
    }
    for (const name of names) this.check(name);
  }

  check(name: string): void {
    const { tokens } = this.rows.get(name)!;
    const blocks = this.kv.blocks(name);
    const k = dataOf({ tensor: this.kv.feeds().fed[poolK(0)]! });
    const read = tokens.map((_, at) => k[blocks[Math.floor(at / BLOCK)]! * BLOCK + (at % BLOCK)]);
    expect(read).toEqual(tokens);
  }

  close(row: string, leaves = true): void {
    const { scope, tokens } = this.rows.get(row)!;
    this.rows.delete(row);
    this.kv.close(row, leaves ? { scope, tokens } : undefined);
  }

  /** A row from its beginning to its end. */
  async pass(row: string, scope: string, tokens: number[]): Promise<number | null> {
    const found = this.open(row, scope, tokens);
    if (found === null) return null;
    await this.run(row);
    this.close(row);
    return found;
  }

  get live(): number {
    return this.budget.liveBytes / BLOCK_BYTES;
  }

  get kept(): number {
    return this.prefixes.counts.bytes / BLOCK_BYTES;
  }

  get allocated(): number {
    return this.budget.allocatedBytes / BLOCK_BYTES;
  }
}

describe('what a row finds', () => {
  test.each([1, 63, 64, 65, 128, 150, 199])('is what is common, here %i tokens', async (alike) => {
    const pool = new Pool(20);
    await pool.pass('one', 'a', tokensFrom(0, 200));
    expect(await pool.pass('other', 'a', [...tokensFrom(0, alike), ...tokensFrom(500, 20)])).toBe(alike);
    expect(pool.prefixes.counts).toMatchObject({ hits: 1, tokens: alike });
    // What it left is right, and so is what was there before.
    expect(await pool.pass('again', 'a', [...tokensFrom(0, alike), ...tokensFrom(500, 30)])).toBe(alike + 20);
    expect(await pool.pass('one again', 'a', tokensFrom(0, 200))).toBe(199);
  });

  test('is of the same scope, and of the same pool', async () => {
    const budget = new ByteBudget(40 * BLOCK_BYTES);
    const [pool, other] = [new Pool(20, 20, budget), new Pool(20, 20, budget)];
    await pool.pass('one', 'path 1 key 1', tokensFrom(0, 100));
    expect(await pool.pass('two', 'path 2 key 1', tokensFrom(0, 100))).toBe(0);
    expect(await pool.pass('three', 'path 1 key 2', tokensFrom(0, 100))).toBe(0);
    expect(await other.pass('four', 'path 1 key 1', tokensFrom(0, 100))).toBe(0);
    expect(await pool.pass('five', 'path 1 key 1', tokensFrom(0, 100))).toBe(99);
  });

  test('is nothing where its numbers overflowed, or it failed', async () => {
    const pool = new Pool(20);
    pool.open('one', 'a', tokensFrom(0, 100));
    await pool.run('one');
    pool.kv.soil('one');
    pool.close('one');
    expect(await pool.pass('two', 'a', tokensFrom(0, 100))).toBe(0);
    pool.open('three', 'a', [...tokensFrom(0, 100), 7]);
    pool.close('three', false);
    expect(await pool.pass('four', 'a', [...tokensFrom(0, 100), 7])).toBe(99 + 1);
  });
});

describe('blocks that several rows read', () => {
  test('are there once, and promised once', async () => {
    const pool = new Pool(20);
    await pool.pass('first', 'a', tokensFrom(0, 130));
    expect(pool.kept).toBe(3);
    for (const row of ['one', 'two', 'three']) pool.open(row, 'a', [...tokensFrom(0, 128), row.length]);
    expect(new Set(['one', 'two', 'three'].flatMap((row) => pool.kv.blocks(row))).size).toBe(2 + 3);
    expect(pool.live).toBe(2 + 3);
    await pool.run('one', 'two', 'three');
    pool.close('one');
    expect(pool.live).toBe(2 + 2);
    pool.close('two');
    pool.close('three');
    expect(pool.live).toBe(0);
  });

  test('let rows in for which there would be no room otherwise', async () => {
    const pool = new Pool(4);
    await pool.pass('first', 'a', tokensFrom(0, 128));
    for (const row of ['one', 'two']) expect(pool.open(row, 'a', [...tokensFrom(0, 128), row.length])).toBe(128);
    expect(pool.open('other', 'b', [1])).toBeNull();
    await pool.run('one', 'two');
  });

  test("stay as they are when one of the rows overflows, and the row's own are cleared", async () => {
    const pool = new Pool(20);
    await pool.pass('first', 'a', tokensFrom(1, 100));
    for (const row of ['good', 'bad']) pool.open(row, 'a', [...tokensFrom(1, 80), row.length]);
    await pool.run('good', 'bad');
    const own = pool.kv.blocks('bad')[1]!;
    pool.kv.soil('bad');
    pool.close('bad');
    await pool.run('good');
    const k = dataOf({ tensor: pool.kv.feeds().fed[poolK(0)]! });
    expect([...k.subarray(own * BLOCK, (own + 1) * BLOCK)]).toEqual(Array(BLOCK).fill(0));
    expect(await pool.pass('first again', 'a', tokensFrom(1, 100))).toBe(99);
  });
});

describe('what is kept', () => {
  test('gives way to rows when the budget is filled, the least recently used first', async () => {
    const pool = new Pool(4);
    await pool.pass('one', 'a', tokensFrom(0, 64));
    await pool.pass('two', 'b', tokensFrom(100, 64));
    await pool.pass('three', 'c', tokensFrom(200, 64));
    await pool.pass('one again', 'a', tokensFrom(0, 64));
    expect(pool.kept).toBe(3);
    expect(pool.open('large', 'd', tokensFrom(300, 3 * BLOCK))).toBe(0);
    await pool.run('large');
    expect(pool.kept).toBe(1);
    expect(pool.allocated).toBeLessThanOrEqual(4);
    pool.close('large', false);
    expect(await pool.pass('two again', 'b', tokensFrom(100, 64))).toBe(0);
    expect(await pool.pass('one', 'a', tokensFrom(0, 64))).toBe(63);
  });

  test('is no more than its own limit', async () => {
    const pool = new Pool(20, 3);
    for (const scope of ['a', 'b', 'c', 'd', 'e']) await pool.pass(scope, scope, tokensFrom(0, 100));
    expect(pool.kept).toBeLessThanOrEqual(3);
    expect(await pool.pass('last', 'e', tokensFrom(0, 100))).toBe(99);
    const none = new Pool(20, 0);
    await none.pass('one', 'a', tokensFrom(0, 100));
    expect(await none.pass('two', 'a', tokensFrom(0, 100))).toBe(0);
  });

  test('gives way to rows of another model, and so does the end of a pool', async () => {
    const budget = new ByteBudget(10 * BLOCK_BYTES);
    const [pool, other] = [new Pool(10, 10, budget), new Pool(10, 10, budget)];
    pool.open('stays', 'a', tokensFrom(0, 10));
    for (const scope of ['b', 'c', 'd']) await pool.pass(scope, scope, tokensFrom(0, 100));
    expect(other.open('large', 'a', tokensFrom(0, 8 * BLOCK))).toBe(0);
    await other.run('large');
    await pool.run('stays');
    expect(budget.allocatedBytes).toBeLessThanOrEqual(budget.limitBytes);
    other.close('large');
    pool.close('stays');
    expect(budget.liveBytes).toBe(0);
  });

  test('goes with the model', async () => {
    const pool = new Pool(10);
    await pool.pass('one', 'a', tokensFrom(0, 100));
    pool.kv.dispose();
    expect(pool.kept).toBe(0);
    expect(pool.budget.allocatedBytes).toBe(0);
    expect(pool.device.tensors).toBe(0);
  });
});

test('a row that leaves before a run has given it what it found takes nothing with it', async () => {
  const pool = new Pool(10);
  await pool.pass('one', 'a', tokensFrom(0, 100));
  expect(pool.open('two', 'a', [...tokensFrom(0, 90), 1, 2, 3])).toBe(90);
  pool.close('two');
  expect(pool.live).toBe(0);
  expect(await pool.pass('three', 'a', tokensFrom(0, 100))).toBe(99);
});

test('whatever rows begin, run, grow and leave: each reads its own tokens, and the books are right', async () => {
  // Few tokens, most of them in whole blocks, so that rows often begin alike.
  const tokens = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.constantFrom(1, 5, 64, 70)), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.flatMap(([token, count]) => Array<number>(count).fill(token)));
  const command = fc.record({
    kind: fc.constantFrom('open', 'open', 'run', 'grow', 'close', 'close', 'trim'),
    scope: fc.constantFrom('a', 'b'),
    tokens,
    which: fc.nat(9),
    leaves: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 1, maxLength: 60 }),
      fc.constantFrom([8, 8], [8, 4], [200, 100]),
      async (commands, [blocks, limit]) => {
        const pool = new Pool(blocks, limit);
        let names = 0;
        for (const { kind, scope, tokens, which, leaves } of commands) {
          const open = [...pool.rows.keys()];
          const name = open[which % Math.max(1, open.length)];
          if (kind === 'open') pool.open(`row ${names++}`, scope, [...tokens]);
          else if (kind === 'run' && open.length > 0) await pool.run(...open);
          else if (kind === 'trim') pool.kv.trim();
          else if (name !== undefined && kind === 'close') pool.close(name, leaves);
          else if (name !== undefined && kind === 'grow') {
            const row = pool.rows.get(name)!;
            if (pool.kv.grow(name, row.tokens.length + 1)) row.tokens.push(which);
          }
          const had = new Set([...pool.rows.keys()].flatMap((row) => [...pool.kv.blocks(row)]));
          expect(pool.live).toBe(had.size);
          expect(pool.live).toBeLessThanOrEqual(blocks);
          expect(pool.kept).toBeLessThanOrEqual(limit);
          expect(pool.allocated).toBeLessThanOrEqual(blocks);
        }
        for (const row of [...pool.rows.keys()]) pool.close(row);
        pool.kv.dispose();
        expect([pool.live, pool.kept, pool.allocated, pool.device.tensors]).toEqual([0, 0, 0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});
