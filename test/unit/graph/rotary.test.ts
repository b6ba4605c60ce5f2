import type { RopeScaling } from '../../../src/formats/checkpoint/model-config.js';
import { inverseFrequencies } from '../../../src/graph/rotary.js';

const of = (scaling: RopeScaling, headDim = 8, theta = 10_000): number[] => [
  ...inverseFrequencies({ headDim, rope: { theta, scaling } }),
];

test('default: theta^(-2i/d)', () => {
  const frequencies = of({ type: 'default' });
  for (const [i, expected] of [1, 0.1, 0.01, 0.001].entries()) expect(frequencies[i]).toBeCloseTo(expected, 8);
});

test('linear: as if positions were closer together', () => {
  const plain = of({ type: 'default' });
  const scaled = of({ type: 'linear', factor: 4 });
  expect(scaled).toEqual(plain.map((frequency) => frequency / 4));
});

test('llama3: high frequencies stay, low ones are divided, those between are blended', () => {
  // Wavelengths 2π/f: 6.3, 63, 628, 6283; bands end at 100 / 4 = 25 and 100 / 0.5 = 200 positions.
  const scaling: RopeScaling = {
    type: 'llama3',
    factor: 8,
    lowFreqFactor: 0.5,
    highFreqFactor: 4,
    originalMaxPositions: 100,
  };
  const plain = of({ type: 'default' });
  const scaled = of(scaling);
  expect(scaled[0]).toBe(plain[0]);
  const smooth = (100 / (2 * Math.PI * 10) - 0.5) / 3.5;
  expect(scaled[1]).toBeCloseTo((1 - smooth) * (0.1 / 8) + smooth * 0.1, 8);
  expect(scaled[2]).toBeCloseTo(0.01 / 8, 8);
  expect(scaled[3]).toBeCloseTo(0.001 / 8, 8);
});

test('a head of two elements has one frequency', () => {
  expect(of({ type: 'default' }, 2)).toEqual([1]);
});
