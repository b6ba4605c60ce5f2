import fc from 'fast-check';
import { concatenateFolded } from '../../../src/lowrank/concatenate-folded.js';
import { denseDelta } from '../../../src/lowrank/dense-delta.js';
import { fold } from '../../../src/lowrank/fold.js';

/** bᵀ a: [out, in] */
function product({ rank, inFeatures, outFeatures, a, b }: ReturnType<typeof fold>): number[] {
  return Array.from({ length: outFeatures * inFeatures }, (_, at) => {
    const [out, input] = [Math.floor(at / inFeatures), at % inFeatures];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[r * outFeatures + out]! * a[r * inFeatures + input]!;
    return sum;
  });
}

const number = fc.float({ min: -4, max: 4, noNaN: true });
const deltaOf = (inFeatures: number, outFeatures: number) =>
  fc.integer({ min: 0, max: 5 }).chain((rank) =>
    fc
      .record({
        a: fc.array(number, { minLength: rank * inFeatures, maxLength: rank * inFeatures }),
        b: fc.array(number, { minLength: rank * outFeatures, maxLength: rank * outFeatures }),
        scale: number,
        weight: number,
      })
      .map(({ a, b, scale, weight }) => ({
        delta: {
          rank,
          inFeatures,
          outFeatures,
          a: Float32Array.from(a),
          b: Float32Array.from(b),
          scale,
        },
        weight,
      })),
  );

test('its product is the weighted sum of the products', () => {
  const parts = fc
    .record({ inFeatures: fc.integer({ min: 1, max: 7 }), outFeatures: fc.integer({ min: 1, max: 7 }) })
    .chain(({ inFeatures, outFeatures }) => fc.array(deltaOf(inFeatures, outFeatures), { minLength: 1, maxLength: 4 }));
  fc.assert(
    fc.property(parts, (path) => {
      const sum = concatenateFolded(path.map(({ delta, weight }) => ({ delta: fold(delta), weight })));
      const dense = path.map(({ delta, weight }) => denseDelta(delta, weight));
      product(sum).forEach((value, at) => {
        const expected = dense.reduce((total, each) => total + each[at]!, 0);
        expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-3);
      });
    }),
  );
});

test('deltas of different layers, or none at all, are refused', () => {
  const delta = fold({
    rank: 0,
    inFeatures: 1,
    outFeatures: 2,
    a: new Float32Array(0),
    b: new Float32Array(0),
    scale: 1,
  });
  expect(() => concatenateFolded([])).toThrow(RangeError);
  expect(() =>
    concatenateFolded([
      { delta, weight: 1 },
      { delta: { ...delta, inFeatures: 2 }, weight: 1 },
    ]),
  ).toThrow(RangeError);
});
