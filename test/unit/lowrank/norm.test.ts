import { describe, expect, it, test } from '@jest/globals';
import { concatenate } from '../../../src/lowrank/concatenate.js';
import type { LowRankDelta } from '../../../src/lowrank/delta.js';
import { distance, frobeniusNorm, innerProduct, innerProductCost } from '../../../src/lowrank/norm.js';

/** Wider than a block of the products, and not a multiple of one. */
const IN = 1030;
const OUT = 515;

let seed = 1;
/** Uniform in [−1, 1). */
function random(): number {
  seed = (seed * 48271) % 2147483647;
  return (2 * seed) / 2147483647 - 1;
}

function anyDelta(rank: number, inFeatures = IN, outFeatures = OUT): LowRankDelta {
  return {
    rank,
    inFeatures,
    outFeatures,
    a: new Float32Array(rank * inFeatures).map(random),
    b: new Float32Array(outFeatures * rank).map(random),
    scale: 2 * random(),
  };
}

/** s·B·A by the definition, in double precision. */
function dense({ rank, inFeatures, outFeatures, a, b, scale }: LowRankDelta): Float64Array {
  return new Float64Array(outFeatures * inFeatures).map((_, at) => {
    const [out, input] = [Math.floor(at / inFeatures), at % inFeatures];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[out * rank + r]! * a[r * inFeatures + input]!;
    return scale * sum;
  });
}

const product = (one: Float64Array, other: Float64Array) => one.reduce((sum, value, i) => sum + value * other[i]!, 0);
const norm = (values: Float64Array) => Math.sqrt(product(values, values));

/** Sums of up to half a million products in double precision. */
const TOLERANCE = 1e-12;

function expectClose(found: number, expected: number, scale = Math.abs(expected)): void {
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(TOLERANCE * scale);
}

describe('frobeniusNorm', () => {
  test.each([1, 2, 3, 8, 15])('rank %i is that of the dense matrix', (rank) => {
    const delta = anyDelta(rank);
    expectClose(frobeniusNorm(delta), norm(dense(delta)));
  });

  test.each([
    [1, 1, 1],
    [6, 6, 9],
    [7, 9, 7],
    [9, 9, 4],
    [12, 5, 7],
  ])('full rank and more: %i of [%i, %i]', (rank, outFeatures, inFeatures) => {
    const delta = anyDelta(rank, inFeatures, outFeatures);
    expectClose(frobeniusNorm(delta), norm(dense(delta)));
  });

  it('is zero without ranks, without scale, and for matrices of zeros', () => {
    expect(frobeniusNorm(anyDelta(0))).toBe(0);
    expect(frobeniusNorm({ ...anyDelta(3), scale: 0 })).toBe(0);
    expect(frobeniusNorm({ ...anyDelta(3), b: new Float32Array(3 * OUT) })).toBe(0);
  });

  it('has no trouble with the largest values that an adapter may have', () => {
    const delta = { ...anyDelta(2), scale: 1 };
    delta.a.fill(1e4);
    delta.b.fill(1e4);
    expectClose(frobeniusNorm(delta), 2e8 * Math.sqrt(IN * OUT));
  });
});

describe('innerProduct', () => {
  test.each([
    [1, 1],
    [2, 5],
    [7, 4],
  ])('of ranks %i and %i is that of the dense matrices', (rank, otherRank) => {
    const [one, other] = [anyDelta(rank), anyDelta(otherRank)];
    const [first, second] = [dense(one), dense(other)];
    expectClose(innerProduct(one, other), product(first, second), norm(first) * norm(second));
    expect(innerProductCost(one, other)).toBe(rank * otherRank * (IN + OUT));
  });

  it('refuses deltas of different layers', () => {
    expect(() => innerProduct(anyDelta(1, 4, 4), anyDelta(1, 4, 5))).toThrow('different layers');
  });
});

describe('distance', () => {
  test.each([
    [1, 1],
    [3, 3],
    [8, 2],
  ])('of ranks %i and %i is the norm of their difference', (rank, otherRank) => {
    const [one, other] = [anyDelta(rank), anyDelta(otherRank)];
    const [first, second] = [dense(one), dense(other)];
    const found = distance(one, other);
    expectClose(found.norm, norm(first));
    expectClose(found.otherNorm, norm(second));
    expectClose(found.relative ?? NaN, norm(first.map((value, i) => value - second[i]!)) / norm(first));
    expectClose(found.cosine ?? NaN, product(first, second) / (norm(first) * norm(second)), 1);
    // The definition: [A₁; A₂], [s₁B₁, −s₂B₂].
    const difference = concatenate([one, { ...other, scale: -other.scale }]);
    // Its B is rounded to float32 once more.
    expect(found.relative ?? NaN).toBeCloseTo(frobeniusNorm(difference) / found.norm, 6);
  });

  it('is nothing between equal matrices, and twice the norm between opposite ones', () => {
    const one = anyDelta(5);
    const same = { ...one, a: one.a.slice(), b: one.b.slice() };
    expect(distance(one, same)).toMatchObject({ relative: 0, cosine: 1 });
    const opposite = distance(one, { ...same, scale: -one.scale });
    expectClose(opposite.relative ?? NaN, 2);
    expectClose(opposite.cosine ?? NaN, -1);
  });

  it('finds a small difference', () => {
    const one = anyDelta(4);
    const other = { ...one, b: one.b.map((value) => value * (1 + 2 ** -12)) };
    expect(distance(one, other).relative ?? NaN).toBeCloseTo(2 ** -12, 6);
  });

  it('has no relative difference from zero, and no angle to it', () => {
    const zero = { ...anyDelta(2), b: new Float32Array(2 * OUT) };
    const one = anyDelta(2);
    expect(distance(zero, one)).toMatchObject({ norm: 0, relative: null, cosine: null });
    expect(distance(one, zero)).toMatchObject({ otherNorm: 0, relative: 1, cosine: null });
  });
});
