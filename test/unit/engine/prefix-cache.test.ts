/** What is kept of rows that left, against a plain list of them. K and V hold the tokens themselves. */
import fc from 'fast-check';
import { ByteBudget } from '../../../src/engine/byte-budget.js';
import type { NewRows } from '../../../src/engine/kv-bucket.js';
import { PrefixCache } from '../../../src/engine/prefix-cache.js';
import { type Found, PrefixTree } from '../../../src/engine/prefix-tree.js';

/** A position has one number in K and one in V. */
const POSITION_BYTES = 8;

const owner = {};
const tokensFrom = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i);

class Kept {
  readonly budget: ByteBudget;
  readonly cache: PrefixCache;
  readonly #trees = new Map<object, PrefixTree<NewRows>>();

  constructor(positions: number, budgetPositions = positions) {
    this.budget = new ByteBudget(budgetPositions * POSITION_BYTES);
    this.cache = new PrefixCache(positions * POSITION_BYTES, this.budget);
  }

  /** Of one model. */
  tree(by: object = owner): PrefixTree<NewRows> {
    const known = this.#trees.get(by);
    if (known !== undefined) return known;
    const tree = new PrefixTree<NewRows>(this.cache, {
      blockPositions: 32,
      beside: true,
      bytesFor: (positions) => positions * POSITION_BYTES,
      drop: () => undefined,
    });
    this.#trees.set(by, tree);
    return tree;
  }

  /** K has each position's token, V its place. */
  keep(scope: string, tokens: readonly number[], by?: object): void {
    this.tree(by).keep({ scope, tokens }, (start, count) => ({
      k: Float32Array.from(tokens.slice(start, start + count)),
      v: Float32Array.from({ length: count }, (_, i) => start + i),
      tokens: count,
    }));
  }

  /** How many positions are found; their K and V must be those of the tokens. */
  find(scope: string, tokens: readonly number[], most = tokens.length, by?: object): number {
    const found = this.tree(by).find({ scope, tokens }, most);
    this.tree(by).take(found);
    const positions = (of: (rows: NewRows) => Float32Array): number[] =>
      found.flatMap(({ block, count }: Found<NewRows>) => [...of(block.kept).subarray(0, count)]);
    const k = positions((rows) => rows.k);
    expect(k).toEqual(tokens.slice(0, k.length));
    expect(positions((rows) => rows.v)).toEqual(tokensFrom(0, k.length));
    return k.length;
  }

  get positions(): number {
    return this.cache.counts.bytes / POSITION_BYTES;
  }
}

describe('what is found', () => {
  test.each([0, 1, 31, 32, 33, 64, 99, 100])('is what is common, here %i tokens', (alike) => {
    const kept = new Kept(1000);
    kept.keep('a', tokensFrom(0, 100));
    expect(kept.find('a', [...tokensFrom(0, alike), ...tokensFrom(500, 20)])).toBe(alike);
  });

  test('is no longer than asked for', () => {
    const kept = new Kept(1000);
    kept.keep('a', tokensFrom(0, 100));
    for (const most of [0, 1, 31, 32, 33, 63, 64, 99]) expect(kept.find('a', tokensFrom(0, 100), most)).toBe(most);
  });

  test('is of the same scope and the same owner', () => {
    const kept = new Kept(1000);
    kept.keep('a', tokensFrom(0, 50));
    expect(kept.find('b', tokensFrom(0, 50))).toBe(0);
    expect(kept.find('a', tokensFrom(0, 50), 50, {})).toBe(0);
    expect(kept.find('a', tokensFrom(0, 50))).toBe(50);
    expect(kept.cache.counts).toMatchObject({ hits: 1, tokens: 50 });
  });

  test('is the longest of several that begin alike', () => {
    const kept = new Kept(1000);
    for (const alike of [10, 40, 70]) kept.keep('a', [...tokensFrom(0, alike), ...tokensFrom(1000 * alike, 30)]);
    expect(kept.find('a', tokensFrom(0, 100))).toBe(70);
  });
});

describe('what is kept', () => {
  test('is there once, however many rows begin with it and go on from it', () => {
    const kept = new Kept(1000);
    kept.keep('a', tokensFrom(0, 70));
    kept.keep('a', tokensFrom(0, 70));
    kept.keep('a', tokensFrom(0, 40));
    expect(kept.positions).toBe(70);
    kept.keep('a', tokensFrom(0, 90));
    expect(kept.positions).toBe(90);
    kept.keep('a', [...tokensFrom(0, 64), ...tokensFrom(500, 10)]);
    expect(kept.positions).toBe(100);
  });

  test('leaves by last use, the end of a row before its beginning', () => {
    const kept = new Kept(128);
    kept.keep('a', tokensFrom(0, 64));
    kept.keep('b', tokensFrom(0, 64));
    expect(kept.find('a', tokensFrom(0, 64))).toBe(64);
    kept.keep('c', tokensFrom(0, 32));
    expect(kept.find('b', tokensFrom(0, 64))).toBe(32);
    kept.keep('c', tokensFrom(0, 64));
    // b's beginning was used after all of a.
    expect(kept.find('a', tokensFrom(0, 64))).toBe(32);
    expect(kept.find('c', tokensFrom(0, 64))).toBe(64);
  });

  test('is the beginning of a row that is longer than all there is room for', () => {
    const kept = new Kept(100);
    kept.keep('a', tokensFrom(0, 500));
    expect(kept.find('a', tokensFrom(0, 500))).toBe(96);
  });

  test('is nothing without a budget', () => {
    const kept = new Kept(0, 100);
    kept.keep('a', tokensFrom(0, 50));
    expect(kept.find('a', tokensFrom(0, 50))).toBe(0);
  });

  test('gives way to rows, and only as much as they need', () => {
    const kept = new Kept(100, 200);
    kept.keep('a', tokensFrom(0, 96));
    kept.budget.recordAllocated(104 * POSITION_BYTES);
    kept.budget.reclaim();
    expect(kept.positions).toBe(96);
    kept.budget.recordAllocated(40 * POSITION_BYTES);
    kept.budget.reclaim();
    expect(kept.find('a', tokensFrom(0, 96))).toBe(32);
    // Nor is more kept than rows leave.
    kept.keep('b', tokensFrom(0, 96));
    expect(kept.positions).toBe(32);
  });

  test('goes with its owner', () => {
    const kept = new Kept(1000);
    const other = {};
    kept.keep('a', tokensFrom(0, 80));
    kept.keep('b', tokensFrom(0, 80));
    kept.keep('a', tokensFrom(0, 40), other);
    kept.tree().forget();
    expect(kept.positions).toBe(40);
    expect(kept.find('a', tokensFrom(0, 80))).toBe(0);
    expect(kept.find('a', tokensFrom(0, 80), 80, other)).toBe(40);
  });
});

test('whatever is kept, found and pushed out: what is found is right, and where nothing was pushed out, all of it', () => {
  // Few tokens and whole blocks of one, so that rows often begin alike.
  const row = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.constantFrom(1, 5, 32, 40)), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.flatMap(([token, count]) => Array<number>(count).fill(token)));
  const command = fc.record({ keep: fc.boolean(), scope: fc.constantFrom('a', 'b'), tokens: row });
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(100, 300, 10_000),
      (commands, limit) => {
        const kept = new Kept(limit);
        const rows: { scope: string; tokens: readonly number[] }[] = [];
        for (const { keep, scope, tokens } of commands) {
          if (keep) {
            kept.keep(scope, tokens);
            rows.push({ scope, tokens });
          } else {
            const longest = rows
              .filter((each) => each.scope === scope)
              .reduce((most, each) => Math.max(most, alike(each.tokens, tokens)), 0);
            const found = kept.find(scope, tokens);
            if (limit === 10_000) expect(found).toBe(longest);
            else expect(found).toBeLessThanOrEqual(longest);
          }
          expect(kept.positions).toBeLessThanOrEqual(limit);
          expect(kept.budget.allocatedBytes).toBe(kept.positions * POSITION_BYTES);
        }
        kept.tree().forget();
        expect(kept.positions).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});

function alike(one: readonly number[], other: readonly number[]): number {
  const differs = one.findIndex((token, i) => token !== other[i]);
  return differs === -1 ? one.length : differs;
}
