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
      block.fill(dense, start, Math.min(start + BLOCK, (out + 1) * inFeatures));
      if (isAsymmetric) block.fitAsymmetric();
      else block.fitSymmetric();
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

/**
 * What one block becomes. It is used again for each, and loops over plain arrays of doubles: a weight has millions of
 * blocks.
 */
class QuantizedBlock {
  readonly numbers = new Uint8Array(BLOCK);
  scale = 0;
  zeroPoint = 0;
  readonly #values = new Float64Array(BLOCK);
  readonly #largest: number;
  readonly #middle: number;

  constructor(bits: 4 | 8) {
    this.#largest = 2 ** bits - 1;
    this.#middle = 2 ** (bits - 1);
  }

  /** The values from `start` to before `end`, and zeros up to a whole block. */
  fill(dense: Float32Array, start: number, end: number): void {
    const values = this.#values;
    const count = end - start;
    // Inside both arrays.
    for (let i = 0; i < count; i++) values[i] = dense[start + i] as number;
    for (let i = count; i < BLOCK; i++) values[i] = 0;
  }

  /** The value of largest magnitude becomes the most negative number, so that all of them are used. */
  fitSymmetric(): void {
    const values = this.#values;
    let extreme = 0;
    for (let i = 0; i < BLOCK; i++) {
      const value = values[i] as number;
      if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    }
    this.zeroPoint = this.#middle;
    this.#round(Math.fround(-extreme / this.#middle));
    this.#refine();
  }

  /** The range, widened to hold zero, is spread over all numbers. */
  fitAsymmetric(): void {
    const values = this.#values;
    let [least, greatest] = [0, 0];
    for (let i = 0; i < BLOCK; i++) {
      const value = values[i] as number;
      if (value < least) least = value;
      else if (value > greatest) greatest = value;
    }
    const scale = Math.fround((greatest - least) / this.#largest);
    this.zeroPoint = scale === 0 ? this.#middle : clamp(Math.floor(-least / scale + 0.5), this.#largest);
    this.#round(scale);
    this.#refine();
  }

  /** The scale that is best for these numbers in least squares, and the numbers that are nearest under it. */
  #refine(): void {
    const { numbers, zeroPoint } = this;
    const values = this.#values;
    let product = 0;
    let square = 0;
    for (let i = 0; i < BLOCK; i++) {
      const number = (numbers[i] as number) - zeroPoint;
      product += number * (values[i] as number);
      square += number * number;
    }
    const scale = Math.fround(product / square);
    // Neither of a block of zeros nor where the scale is lost in rounding.
    if (Number.isFinite(scale) && scale !== 0) this.#round(scale);
  }

  /** Halves go up. */
  #round(scale: number): void {
    this.scale = scale;
    const { numbers, zeroPoint } = this;
    const values = this.#values;
    const largest = this.#largest;
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = 0; i < BLOCK; i++) {
      numbers[i] = clamp(Math.floor((values[i] as number) * inverse + 0.5) + zeroPoint, largest);
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
