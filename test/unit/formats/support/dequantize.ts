/** What quantised numbers stand for, read from their bytes one by one, as the operator's description has it. */
import type { QuantizedWeight } from '../../../../src/formats/quantization/quantize-weight.js';
import type { Scheme } from '../../../../src/formats/quantization/scheme.js';

/** [out, in] */
export function dequantize(
  { packed, scales, zeroPoints }: QuantizedWeight,
  [outFeatures, inFeatures]: readonly [number, number],
  { bits, zeroPoints: isAsymmetric }: Scheme,
): Float32Array<ArrayBuffer> {
  const blocks = Math.ceil(inFeatures / 32);
  const numberAt = (bytes: Uint8Array, row: number, rowBytes: number, at: number): number => {
    if (bits === 8) return bytes[row * rowBytes + at]!;
    const byte = bytes[row * rowBytes + Math.floor(at / 2)]!;
    return at % 2 === 0 ? byte & 15 : byte >> 4;
  };
  const dense = new Float32Array(outFeatures * inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    for (let i = 0; i < inFeatures; i++) {
      const block = Math.floor(i / 32);
      const zero = isAsymmetric ? numberAt(zeroPoints, out, Math.ceil((blocks * bits) / 8), block) : 2 ** (bits - 1);
      const number = numberAt(packed, out, (blocks * 32 * bits) / 8, i);
      dense[out * inFeatures + i] = (number - zero) * scales[out * blocks + block]!;
    }
  }
  return dense;
}
