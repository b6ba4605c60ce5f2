/**
 * How the linears of a base may be quantised: whole numbers of 4 or 8 bits, and a scale for each block of 32 weights of
 * one row, as onnxruntime's MatMulNBits multiplies them. Symmetric: a number stands for (q − 2^(bits−1)) · scale.
 * Asymmetric: for (q − zero point) · scale, with a zero point for each block, so that the block's whole range is used.
 */

import type { Projection } from '../checkpoint/modules.js';

/** Changes with the bytes that a weight becomes. */
export const QUANTIZER_VERSION = 1;

/** Weights of a row that share a scale. */
export const BLOCK = 32;

export const QUANTIZATIONS = ['int8_symmetric', 'int8_asymmetric', 'int4_symmetric', 'int4_asymmetric'] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

/** The form that is meant by the bits alone: the one with the lower perplexity (examples/storyteller/README.md). */
const SHORT = { int8: 'int8_symmetric', int4: 'int4_symmetric' } as const satisfies Record<string, Quantization>;

/** What an import may be asked for. */
export const QUANTIZATION_NAMES = ['int8', 'int4', ...QUANTIZATIONS] as const;
export type QuantizationName = (typeof QUANTIZATION_NAMES)[number];

export function quantizationOf(name: QuantizationName): Quantization {
  return name === 'int8' || name === 'int4' ? SHORT[name] : name;
}

export function isQuantization(name: unknown): name is Quantization {
  return (QUANTIZATIONS as readonly unknown[]).includes(name);
}

export interface Scheme {
  bits: 4 | 8;
  /** Asymmetric. */
  zeroPoints: boolean;
}

/**
 * lm_head has 8 bits in any case: its rounding errors reach the logits as they are, and in 4 bits it alone would cost as
 * much perplexity as all other linears together.
 */
export function schemeOf(quantization: Quantization, projection: Projection): Scheme {
  const bits = quantization.startsWith('int8') || projection === 'lm_head' ? 8 : 4;
  return { bits, zeroPoints: quantization.endsWith('_asymmetric') };
}

/** Sizes of a quantised weight [out, in]. */
export interface QuantizedSizes {
  /** Of a row. */
  blocks: number;
  /** Bytes of a block. */
  blockBytes: number;
  /** Bytes of a row's zero points; 0 without. */
  zeroPointBytes: number;
}

/** The last block of a row may be short; it takes as much room as the others. */
export function sizesOf(inFeatures: number, { bits, zeroPoints }: Scheme): QuantizedSizes {
  const blocks = Math.ceil(inFeatures / BLOCK);
  return { blocks, blockBytes: (BLOCK * bits) / 8, zeroPointBytes: zeroPoints ? Math.ceil((blocks * bits) / 8) : 0 };
}

/** Bytes of a quantised weight [out, in]: numbers, scales and zero points. */
export function quantizedBytes(outFeatures: number, inFeatures: number, scheme: Scheme): number {
  const { blocks, blockBytes, zeroPointBytes } = sizesOf(inFeatures, scheme);
  return outFeatures * (blocks * (blockBytes + Float32Array.BYTES_PER_ELEMENT) + zeroPointBytes);
}
