/** The product with a quantised weight, as the runtime computes it, against the sum over what its bytes stand for. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32, Session } from '../../../src/engine/ort.js';
import { DataType, encodeModel } from '../../../src/formats/onnx/model.js';
import { externalTensor } from '../../../src/formats/onnx/tensor.js';
import { quantizeWeight, type QuantizedWeight } from '../../../src/formats/quantization/quantize-weight.js';
import { BLOCK, QUANTIZATIONS, schemeOf, sizesOf, type Scheme } from '../../../src/formats/quantization/scheme.js';
import { GraphBuilder } from '../../../src/graph/graph-builder.js';
import { MatMulNBits } from '../../../src/graph/ops.js';
import { dequantize } from '../../unit/formats/support/dequantize.js';
import { random } from '../engine-tensors/support/tiny-model.js';

const SHAPES: [number, number][] = [
  [1, 1],
  [5, 31],
  [7, 32],
  [16, 33],
  [17, 64],
  [61, 96],
  [64, 704],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-quantised-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(QUANTIZATIONS)('%s', (quantization) => {
  const scheme = schemeOf(quantization, 'q_proj');

  test.each(SHAPES)('[%d, %d], one row and several', async (outFeatures, inFeatures) => {
    const dense = random(outFeatures * inFeatures, 7, 0.5).map((value) => value + 0.1);
    const weight = quantizeWeight(dense, [outFeatures, inFeatures], scheme);
    const stored = dequantize(weight, [outFeatures, inFeatures], scheme);
    const session = await load(weight, [outFeatures, inFeatures], scheme);
    for (const rows of [1, 2, 16, 33]) {
      const x = random(rows * inFeatures, rows, 1);
      const { y } = await session.run({ x: float32(x, [rows, inFeatures]) });
      for (let row = 0; row < rows; row++) {
        for (let out = 0; out < outFeatures; out++) {
          const { product, bound } = expected(
            x.subarray(row * inFeatures, (row + 1) * inFeatures),
            stored.subarray(out * inFeatures, (out + 1) * inFeatures),
          );
          expect(Math.abs(y!.data[row * outFeatures + out]! - product)).toBeLessThanOrEqual(bound);
        }
      }
    }
    await session.release();
  });
});

/** The sum, and how far the rounding of each block of x to 8 bits can lead away from it: half a step for every weight. */
function expected(x: Float32Array, weights: Float32Array): { product: number; bound: number } {
  let [product, bound] = [0, 1e-5];
  for (let start = 0; start < x.length; start += BLOCK) {
    const block = x.subarray(start, start + BLOCK);
    const halfStep = Math.max(...block.map(Math.abs)) / 127 / 2;
    block.forEach((value, i) => {
      product += value * weights[start + i]!;
      bound += 1.01 * halfStep * Math.abs(weights[start + i]!);
    });
  }
  return { product, bound };
}

/** x: [rows, in] → y: [rows, out] */
async function load(
  { packed, scales, zeroPoints }: QuantizedWeight,
  [outFeatures, inFeatures]: readonly [number, number],
  scheme: Scheme,
): Promise<Session> {
  const { blocks, blockBytes, zeroPointBytes } = sizesOf(inFeatures, scheme);
  const bytes = Buffer.concat([Buffer.from(scales.buffer), packed, zeroPoints]);
  await writeFile(join(folder, 'weight.bin'), bytes);
  const g = new GraphBuilder();
  const part = (name: string, type: DataType, shape: number[], offset: number, length: number) =>
    g.initializer(externalTensor(name, type, shape, { location: 'weight.bin', offset, length }));
  const x = g.input('x', DataType.float32, ['rows', inFeatures]);
  const parts = {
    scales: part('scales', DataType.float32, [outFeatures, blocks], 0, scales.byteLength),
    packed: part('packed', DataType.uint8, [outFeatures, blocks, blockBytes], scales.byteLength, packed.length),
    zeroPoints: scheme.zeroPoints
      ? part(
          'zeros',
          DataType.uint8,
          [outFeatures, zeroPointBytes],
          scales.byteLength + packed.length,
          zeroPoints.length,
        )
      : undefined,
  };
  const shape = { bits: scheme.bits, inFeatures, outFeatures, blockSize: BLOCK };
  g.output('y', MatMulNBits(g, x, parts, shape), DataType.float32, ['rows', outFeatures]);
  return Session.load({ graph: encodeModel(g.build('product')), folder }, { threads: 1 });
}
