import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { concatenate } from '../../../src/lowrank/concatenate.js';
import type { LowRankDelta } from '../../../src/lowrank/delta.js';
import { denseDelta } from '../../../src/lowrank/dense-delta.js';
import { fold } from '../../../src/lowrank/fold.js';

interface Sizes {
  inFeatures: number;
  outFeatures: number;
}

const sizes = fc.record({ inFeatures: fc.integer({ min: 1, max: 7 }), outFeatures: fc.integer({ min: 1, max: 7 }) });

/** Values are whole, and scales powers of two, where sums are to be exact in any order. */
function deltas({ inFeatures, outFeatures }: Sizes, exact: boolean): fc.Arbitrary<LowRankDelta> {
  const value = exact ? fc.integer({ min: -8, max: 8 }) : fc.float({ min: -4, max: 4, noNaN: true });
  const array = (length: number) =>
    fc.array(value, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values));
  const scale = exact ? fc.constantFrom(0.25, 0.5, 1, 2, -2) : fc.double({ min: -4, max: 4, noNaN: true });
  return fc.integer({ min: 0, max: 5 }).chain((rank) =>
    fc.record({
      rank: fc.constant(rank),
      inFeatures: fc.constant(inFeatures),
      outFeatures: fc.constant(outFeatures),
      a: array(rank * inFeatures),
      b: array(outFeatures * rank),
      scale,
    }),
  );
}

/** ΔW x by the definition: s · Σ_r B[o, r] Σ_i A[r, i] x[i]. */
function naiveProduct({ rank, inFeatures, outFeatures, a, b, scale }: LowRankDelta, x: Float32Array): number[] {
  return Array.from({ length: outFeatures }, (_, out) => {
    let sum = 0;
    for (let r = 0; r < rank; r++) {
      for (let i = 0; i < inFeatures; i++) sum += b[out * rank + r]! * a[r * inFeatures + i]! * x[i]!;
    }
    return scale * sum;
  });
}

function denseProduct(dense: Float32Array, { inFeatures, outFeatures }: Sizes, x: Float32Array): number[] {
  return Array.from({ length: outFeatures }, (_, out) =>
    x.reduce((sum, value, i) => sum + value * dense[out * inFeatures + i]!, 0),
  );
}

function expectClose(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(tolerance);
}

const oneDelta = (exact: boolean) =>
  sizes.chain((size) =>
    fc.record({
      delta: deltas(size, exact),
      x: fc
        .array(fc.integer({ min: -4, max: 4 }), { minLength: size.inFeatures, maxLength: size.inFeatures })
        .map((values) => Float32Array.from(values)),
    }),
  );

describe('fold', () => {
  it('gives rows of rank whose product with x is ΔW x', () => {
    fc.assert(
      fc.property(oneDelta(false), ({ delta, x }) => {
        const { rank, inFeatures, outFeatures, a, b } = fold(delta);
        expect(b).toHaveLength(rank * outFeatures);
        const inner = Array.from({ length: rank }, (_, r) =>
          x.reduce((sum, value, i) => sum + value * a[r * inFeatures + i]!, 0),
        );
        const product = Array.from({ length: outFeatures }, (_, out) =>
          inner.reduce((sum, value, r) => sum + value * b[r * outFeatures + out]!, 0),
        );
        // Values up to 4, 5 ranks, 7 inputs: the largest product is 4⁴ · 35, one rounding of b is 2⁻²⁴ of it.
        expectClose(product, naiveProduct(delta, x), 1e-3);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps an overflow visible', () => {
    const delta = {
      rank: 1,
      inFeatures: 1,
      outFeatures: 1,
      a: Float32Array.of(1),
      b: Float32Array.of(3e38),
      scale: 10,
    };
    expect(fold(delta).b[0]).toBe(Infinity);
  });
});

describe('denseDelta', () => {
  it('is weight · s · B A', () => {
    fc.assert(
      fc.property(oneDelta(true), fc.constantFrom(-1, 0, 0.5, 1, 2), ({ delta, x }, weight) => {
        const product = denseProduct(denseDelta(delta, weight), delta, x);
        expectClose(
          product,
          naiveProduct(delta, x).map((value) => weight * value),
          0,
        );
      }),
      { numRuns: 100 },
    );
  });

  it('is zero where the rank is zero', () => {
    const empty = new Float32Array(0);
    expect(denseDelta({ rank: 0, inFeatures: 2, outFeatures: 3, a: empty, b: empty, scale: 1 })).toEqual(
      new Float32Array(6),
    );
  });
});

describe('concatenate', () => {
  const several = sizes.chain((size) => fc.array(deltas(size, true), { minLength: 1, maxLength: 4 }));

  it('is exactly the sum of the dense deltas', () => {
    fc.assert(
      fc.property(several, (parts) => {
        const sum = denseDelta(concatenate(parts));
        const expected = parts
          .map((part) => denseDelta(part))
          .reduce((total, dense) => total.map((value, i) => value + dense[i]!));
        expectClose([...sum], [...expected], 0);
      }),
      { numRuns: 100 },
    );
  });

  it('adds ranks and leaves no scale', () => {
    fc.assert(
      fc.property(several, (parts) => {
        const all = concatenate(parts);
        expect(all.rank).toBe(parts.reduce((sum, { rank }) => sum + rank, 0));
        expect(all.scale).toBe(1);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses deltas of different layers, and none', () => {
    const zeros = (inFeatures: number) => ({
      rank: 1,
      inFeatures,
      outFeatures: 1,
      a: new Float32Array(inFeatures),
      b: new Float32Array(1),
      scale: 1,
    });
    expect(() => concatenate([zeros(2), zeros(3)])).toThrow('different layers');
    expect(() => concatenate([])).toThrow(RangeError);
  });
});
