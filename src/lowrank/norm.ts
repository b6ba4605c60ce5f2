/**
 * Norms, products and distances of ΔW in the Frobenius sense, without forming it. A delta is a few rows of rank, so all
 * of them are sums over Gram matrices as small as those ranks:
 *
 *     ⟨s₁B₁A₁, s₂B₂A₂⟩ = s₁ s₂ Σᵢⱼ (B₁ᵀB₂)ᵢⱼ (A₁A₂ᵀ)ᵢⱼ
 *
 * ‖Δ₁ − Δ₂‖² is the norm of the concatenation [A₁; A₂], [s₁B₁, −s₂B₂], which is the same sum in four blocks. In double
 * precision; a difference of less than about 1e-8 of the norms is lost in rounding, unless the matrices are the same.
 */
import type { LowRankDelta } from './delta.js';

/** ‖ΔW‖_F */
export function frobeniusNorm(delta: LowRankDelta): number {
  return Math.sqrt(Math.max(0, innerProduct(delta, delta)));
}

/** ⟨ΔW₁, ΔW₂⟩_F of two deltas of one layer. */
export function innerProduct(one: LowRankDelta, other: LowRankDelta): number {
  const { inFeatures, outFeatures } = one;
  if (other.inFeatures !== inFeatures || other.outFeatures !== outFeatures) {
    throw new RangeError(
      `Deltas of different layers can't be compared: [${outFeatures}, ${inFeatures}] and [${other.outFeatures}, ${other.inFeatures}].`,
    );
  }
  const ofA = gram(one.a, other.a, one.rank, other.rank, inFeatures);
  const columns = transposed(one.b, outFeatures, one.rank);
  const otherColumns = other === one ? columns : transposed(other.b, outFeatures, other.rank);
  const ofB = gram(columns, otherColumns, one.rank, other.rank, outFeatures);
  // Of one size.
  return one.scale * other.scale * ofA.reduce((sum, value, at) => sum + value * (ofB[at] as number), 0);
}

/** Multiplications that `innerProduct` takes of two deltas: for those who have to bound its time. */
export function innerProductCost(one: LowRankDelta, other: LowRankDelta): number {
  return one.rank * other.rank * (one.inFeatures + one.outFeatures);
}

export interface Distance {
  /** ‖Δ₁‖_F and ‖Δ₂‖_F */
  norm: number;
  otherNorm: number;
  /** ‖Δ₁ − Δ₂‖_F / ‖Δ₁‖_F; null where Δ₁ is zero. */
  relative: number | null;
  /** ⟨Δ₁, Δ₂⟩ / (‖Δ₁‖ ‖Δ₂‖), from −1 to 1; null where either is zero. */
  cosine: number | null;
}

export function distance(one: LowRankDelta, other: LowRankDelta): Distance {
  const square = innerProduct(one, one);
  const otherSquare = innerProduct(other, other);
  const product = innerProduct(one, other);
  const norm = Math.sqrt(Math.max(0, square));
  const otherNorm = Math.sqrt(Math.max(0, otherSquare));
  // Zero for equal matrices: then the three sums are alike to the last bit.
  const difference = Math.sqrt(Math.max(0, square + otherSquare - 2 * product));
  return {
    norm,
    otherNorm,
    relative: norm === 0 ? null : difference / norm,
    cosine: norm === 0 || otherNorm === 0 ? null : Math.min(1, Math.max(-1, product / (norm * otherNorm))),
  };
}

/** Numbers of a row that are multiplied before the next rows' turn, so that they stay in the cache. */
const BLOCK = 512;

/**
 * x: [rows, width], y: [otherRows, width] → x yᵀ, with rows and columns rounded up to even numbers by zeros: two rows times
 * two are taken at once, which is four times as fast as one by one.
 */
function gram(x: Float32Array, y: Float32Array, rows: number, otherRows: number, width: number): Float64Array {
  const isSymmetric = x === y;
  const [height, columns] = [rows + (rows % 2), otherRows + (otherRows % 2)];
  const products = new Float64Array(height * columns);
  const left = new Float64Array(height * BLOCK);
  const right = isSymmetric ? left : new Float64Array(columns * BLOCK);
  for (let from = 0; from < width; from += BLOCK) {
    const count = Math.min(BLOCK, width - from);
    copyBlock(x, left, rows, width, from, count);
    if (!isSymmetric) copyBlock(y, right, otherRows, width, from, count);
    for (let i = 0; i < height; i += 2) {
      for (let j = isSymmetric ? i : 0; j < columns; j += 2) {
        addTile(products, i * columns + j, columns, left, i * BLOCK, right, j * BLOCK, count);
      }
    }
  }
  if (isSymmetric) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < i; j++) products[i * columns + j] = products[j * columns + i] as number;
    }
  }
  return products;
}

function copyBlock(
  from: Float32Array,
  into: Float64Array,
  rows: number,
  width: number,
  first: number,
  count: number,
): void {
  for (let row = 0; row < rows; row++) {
    const start = row * width + first;
    into.set(from.subarray(start, start + count), row * BLOCK);
  }
}

/** Adds the products of two rows with two. All indices are inside: blocks and products are of even heights. */
function addTile(
  products: Float64Array,
  at: number,
  columns: number,
  left: Float64Array,
  atLeft: number,
  right: Float64Array,
  atRight: number,
  count: number,
): void {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let k = 0; k < count; k++) {
    const upper = left[atLeft + k] as number;
    const lower = left[atLeft + BLOCK + k] as number;
    const one = right[atRight + k] as number;
    const other = right[atRight + BLOCK + k] as number;
    a += upper * one;
    b += upper * other;
    c += lower * one;
    d += lower * other;
  }
  products[at] = (products[at] as number) + a;
  products[at + 1] = (products[at + 1] as number) + b;
  products[at + columns] = (products[at + columns] as number) + c;
  products[at + columns + 1] = (products[at + columns + 1] as number) + d;
}

/** [rows, columns] → [columns, rows] */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return result;
}
