import { quantizeWeight } from '../../../src/formats/quantization/quantize-weight.js';
import {
  BLOCK,
  QUANTIZATIONS,
  quantizationOf,
  quantizedBytes,
  schemeOf,
} from '../../../src/formats/quantization/scheme.js';
import { dequantize } from './support/dequantize.js';
import { values } from './support/tiny-model.js';

const SHAPES: [number, number][] = [1, 31, 32, 33, 64, 65, 96].flatMap((inFeatures) => [
  [1, inFeatures],
  [3, inFeatures],
]);

describe.each(QUANTIZATIONS)('%s', (quantization) => {
  const scheme = schemeOf(quantization, 'q_proj');
  const steps = 2 ** scheme.bits - 1;

  test.each(SHAPES)('[%d, %d]: every weight is within a step of what it was', (outFeatures, inFeatures) => {
    const dense = values(outFeatures * inFeatures).map((value) => value + 0.4);
    const shape: [number, number] = [outFeatures, inFeatures];
    const quantized = quantizeWeight(dense, shape, scheme);
    expect(quantized.packed.length + 4 * quantized.scales.length + quantized.zeroPoints.length).toBe(
      quantizedBytes(outFeatures, inFeatures, scheme),
    );
    const read = dequantize(quantized, shape, scheme);
    for (let out = 0; out < outFeatures; out++) {
      for (let start = 0; start < inFeatures; start += BLOCK) {
        const end = Math.min(start + BLOCK, inFeatures);
        const block = dense.subarray(out * inFeatures + start, out * inFeatures + end);
        const step = scheme.zeroPoints
          ? (Math.max(0, ...block) - Math.min(0, ...block)) / steps
          : Math.max(...block.map(Math.abs)) / 2 ** (scheme.bits - 1);
        block.forEach((value, i) => {
          expect(Math.abs(read[out * inFeatures + start + i]! - value)).toBeLessThanOrEqual(1.01 * step);
        });
      }
    }
  });

  test('zeros stay zeros, beside other blocks and in a row of nothing else', () => {
    const dense = new Float32Array(2 * 64);
    dense.set(values(32), 32);
    const read = dequantize(quantizeWeight(dense, [2, 64], scheme), [2, 64], scheme);
    dense.forEach((value, i) => value === 0 && expect(Math.abs(read[i]!)).toBe(0));
  });

  test('squared errors sum to no more than under a scale from the extremes alone', () => {
    const shape: [number, number] = [8, 96];
    const dense = values(8 * 96, 3).map((value) => value ** 3);
    const read = dequantize(quantizeWeight(dense, shape, scheme), shape, scheme);
    let [ours, plain] = [0, 0];
    for (let start = 0; start < dense.length; start += BLOCK) {
      const block = dense.subarray(start, start + BLOCK);
      const extreme = block.reduce((far, value) => (Math.abs(value) > Math.abs(far) ? value : far), 0);
      const least = Math.min(0, ...block);
      const scale = scheme.zeroPoints ? (Math.max(0, ...block) - least) / steps : -extreme / 2 ** (scheme.bits - 1);
      const zero = scheme.zeroPoints ? Math.round(-least / scale) : 2 ** (scheme.bits - 1);
      block.forEach((value, i) => {
        const number = Math.min(steps, Math.max(0, Math.round(value / scale) + zero));
        plain += ((number - zero) * scale - value) ** 2;
        ours += (read[start + i]! - value) ** 2;
      });
    }
    expect(ours).toBeLessThanOrEqual(plain);
    expect(plain).toBeGreaterThan(0);
  });

  test('the smallest and the largest float32 are no trouble', () => {
    for (const extreme of [1e-45, 1e-38, 3.4e38]) {
      const dense = Float32Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? extreme : -extreme / 2));
      const { scales } = quantizeWeight(dense, [1, 32], scheme);
      expect(scales.every(Number.isFinite)).toBe(true);
    }
  });
});

test('the first of two numbers of four bits lies in the low half, and so does the first of two zero points', () => {
  // Two blocks: from −1 to 14, and from −2 to 13, in whole steps of one.
  const block = (least: number) => Float32Array.from({ length: 32 }, (_, i) => least + (i % 16));
  const dense = new Float32Array(64);
  dense.set(block(-1));
  dense.set(block(-2), 32);
  const { packed, scales, zeroPoints } = quantizeWeight(dense, [1, 64], { bits: 4, zeroPoints: true });
  expect([...scales]).toEqual([1, 1]);
  expect([...zeroPoints]).toEqual([0x21]);
  expect([...packed.subarray(0, 8)]).toEqual([0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
});

test('a symmetric block uses the most negative number for what is largest', () => {
  const dense = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? 8 : i === 1 ? -7 : 0));
  const { packed, scales } = quantizeWeight(dense, [1, 32], { bits: 4, zeroPoints: false });
  expect([...scales]).toEqual([-1]);
  expect([...packed.subarray(0, 2)]).toEqual([0xf0, 0x88]);
});

test('bits alone name the form with the lower perplexity', () => {
  expect(QUANTIZATIONS).toContain(quantizationOf('int8'));
  expect(schemeOf(quantizationOf('int8'), 'q_proj').bits).toBe(8);
  expect(schemeOf(quantizationOf('int4'), 'q_proj').bits).toBe(4);
  expect(schemeOf(quantizationOf('int4'), 'lm_head').bits).toBe(8);
  expect(quantizationOf('int4_symmetric')).toBe('int4_symmetric');
});

test('a weight that is not of its shape is refused', () => {
  expect(() => quantizeWeight(new Float32Array(5), [2, 3], { bits: 8, zeroPoints: false })).toThrow(RangeError);
});
