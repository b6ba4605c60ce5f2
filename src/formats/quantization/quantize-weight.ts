/**
 * A dense weight → numbers, scales and zero points in the layout of MatMulNBits (onnxruntime, ContribOperators.md):
 *
 * | part | shape | |
 * | --- | --- | --- |
 * | packed | [out, blocks, 32·bits/8] bytes | of two numbers of 4 bits, the first is in the low half |
 * | scales | [out, blocks] float32 | |
 * | zero points | [out, ⌈blocks·bits/8⌉] bytes | packed like the numbers; an odd last half is unused |
 *
 * A short last block is filled up with zeros. The same weight gives the same bytes everywhere, since all of it is IEEE arithmetic.
 */
import { BLOCK, sizesOf, type Scheme } from './scheme.js';

export interface QuantizedWeight {
  packed: Uint8Array<ArrayBuffer>;
  scales: Float32Array<ArrayBuffer>;
  /** Empty for a symmetric scheme. */
  zeroPoints: Uint8Array<ArrayBuffer>;
}

/** dense: [out, in], row-major, finite. */
export function quantizeWeight(
  dense: Float32Array,
  [outFeatures, inFeatures]: readonly [number, number],
  scheme: Scheme,
): QuantizedWeight {
  if (dense.length !== outFeatures * inFeatures) {
    throw new RangeError(`A weight of [${outFeatures}, ${inFeatures}] has no ${dense.length} values.`);
  }
  const { blocks, blockBytes, zeroPointBytes } = sizesOf(inFeatures, scheme);
  const { bits, zeroPoints: isAsymmetric } = scheme;
  const packed = new Uint8Array(outFeatures * blocks * blockBytes);
  const scales = new Float32Array(outFeatures * blocks);
  const zeroPoints = new Uint8Array(outFeatures * zeroPointBytes);
  const block = new QuantizedBlock(bits);
  for (let out = 0; out < outFeatures; out++) {
    for (let at = 0; at < blocks; at++) {
      const index = out * blocks + at;
      const start = out * inFeatures + at * BLOCK;
      const values = dense.subarray(start, Math.min(start + BLOCK, (out + 1) * inFeatures));
      if (isAsymmetric) block.fitAsymmetric(values);
      else block.fitSymmetric(values);
      scales[index] = block.scale;
      pack(block.numbers, bits, packed, index * blockBytes);
      if (!isAsymmetric) continue;
      const place = out * zeroPointBytes + (bits === 8 ? at : at >> 1);
      zeroPoints[place] =
        (zeroPoints[place] ?? 0) | (bits === 4 && at % 2 === 1 ? block.zeroPoint << 4 : block.zeroPoint);
    }
  }
  return { packed, scales, zeroPoints };
}

/** What one block becomes. It is used again for each, so that a weight of millions of blocks makes no garbage. */
class QuantizedBlock {
  readonly numbers = new Uint8Array(BLOCK);
  scale = 0;
  zeroPoint = 0;
  readonly #largest: number;
  readonly #middle: number;

  constructor(bits: 4 | 8) {
    this.#largest = 2 ** bits - 1;
    this.#middle = 2 ** (bits - 1);
  }

  /** The value of largest magnitude becomes the most negative number, so that all of them are used. */
  fitSymmetric(values: Float32Array): void {
    let extreme = 0;
    for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    this.zeroPoint = this.#middle;
    this.#round(values, Math.fround(-extreme / this.#middle));
    this.#refine(values);
  }

  /** The range, widened to hold zero, is spread over all numbers. */
  fitAsymmetric(values: Float32Array): void {
    let [least, greatest] = [0, 0];
    for (const value of values) {
      if (value < least) least = value;
      else if (value > greatest) greatest = value;
    }
    const scale = Math.fround((greatest - least) / this.#largest);
    this.zeroPoint = scale === 0 ? this.#middle : clamp(Math.round(-least / scale), this.#largest);
    this.#round(values, scale);
    this.#refine(values);
  }

  /** The scale that is best for these numbers in least squares, and the numbers that are nearest under it. */
  #refine(values: Float32Array): void {
    let [product, square] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      const number = (this.numbers[i] as number) - this.zeroPoint;
      product += number * (values[i] as number);
      square += number * number;
    }
    const scale = Math.fround(product / square);
    // Neither of a block of zeros nor where the scale is lost in rounding.
    if (Number.isFinite(scale) && scale !== 0) this.#round(values, scale);
  }

  #round(values: Float32Array, scale: number): void {
    this.scale = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    this.numbers.fill(this.zeroPoint, values.length);
    for (let i = 0; i < values.length; i++) {
      this.numbers[i] = clamp(Math.round((values[i] as number) * inverse) + this.zeroPoint, this.#largest);
    }
  }
}

function clamp(value: number, largest: number): number {
  return value < 0 ? 0 : value > largest ? largest : value;
}

function pack(numbers: Uint8Array, bits: 4 | 8, into: Uint8Array, start: number): void {
  if (bits === 8) {
    into.set(numbers, start);
    return;
  }
  for (let i = 0; i < BLOCK / 2; i++) {
    into[start + i] = (numbers[2 * i] as number) | ((numbers[2 * i + 1] as number) << 4);
  }
}
