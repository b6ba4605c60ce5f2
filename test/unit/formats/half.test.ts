import { describe, expect, it } from '@jest/globals';
import {
  decodeBF16,
  decodeF16,
  encodeBF16AsF16,
  encodeF16,
  isFiniteF16,
} from '../../../src/formats/safetensors/half.js';

const ALL_PATTERNS = Uint16Array.from({ length: 65536 }, (_, i) => i);

function fromF16(patterns: Uint16Array): Float32Array {
  const values = new Float32Array(patterns.length);
  decodeF16(patterns, values);
  return values;
}

describe('F16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x3555, 0.333251953125],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ])('%p is %p', (pattern, value) => {
    expect(fromF16(Uint16Array.of(pattern))[0]).toBe(value);
  });

  it('every pattern survives the way to float32 and back', () => {
    const numbers = ALL_PATTERNS.filter((pattern) => (pattern & 0x7fff) <= 0x7c00);
    expect(encodeF16(fromF16(numbers))).toEqual(numbers);
  });

  it.each([
    ['to the nearest', 1 + 0.7 * 2 ** -10, 0x3c01],
    ['a tie to even, down', 1 + 2 ** -11, 0x3c00],
    ['a tie to even, up', 1 + 3 * 2 ** -11, 0x3c02],
    ['up into the next power of two', 2 - 2 ** -12, 0x4000],
    ['down to the largest', 65519, 0x7bff],
    ['past the largest', 65520, 0x7c00],
    ['to infinity', 1e30, 0x7c00],
    ['to zero', 2 ** -25, 0x0000],
    ['a subnormal tie up', 1.5 * 2 ** -24, 0x0002],
    ['to the smallest', 1.1 * 2 ** -25, 0x0001],
    ['a subnormal up to the smallest normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['negative', -1e-7, 0x8002],
    ['NaN', NaN, 0x7e00],
  ])('rounds %s', (_, value, pattern) => {
    expect(encodeF16(Float32Array.of(value))[0]).toBe(pattern);
  });
});

it('a BF16 is the upper half of a float32', () => {
  const values = new Float32Array(65536);
  decodeBF16(ALL_PATTERNS, values);
  const bits = new DataView(new ArrayBuffer(4));
  for (const pattern of [0, 1, 0x3f80, 0x3eaa, 0x4049, 0x7f80, 0xff80, 0xbf80, 0x8000, 0x7f7f]) {
    bits.setUint32(0, pattern * 65536);
    expect(values[pattern]).toBe(bits.getFloat32(0));
  }
});

it('a BF16 becomes the F16 that its value rounds to', () => {
  const values = new Float32Array(65536);
  decodeBF16(ALL_PATTERNS, values);
  expect(encodeBF16AsF16(ALL_PATTERNS)).toEqual(encodeF16(values));
});

it('the F16 that are finite are those whose values are', () => {
  const values = fromF16(ALL_PATTERNS);
  for (const pattern of ALL_PATTERNS) {
    expect(isFiniteF16(Uint16Array.of(0, pattern, 0))).toBe(Number.isFinite(values[pattern]));
  }
});
