/** Logits by blocks as the runtime gives them, in the CPU's memory and a GPU's, against plain arrays. */
import { GpuDevice } from '../../src/engine/gpu/gpu-device.js';
import { GpuLogitMemory, GpuLogits } from '../../src/engine/gpu/gpu-logits.js';
import { hostMasses } from '../../src/engine/block-masses.js';
import { float32, Session } from '../../src/engine/ort.js';
import { randomNumbers } from '../../src/engine/random.js';
import { HostLogits, type RunLogits } from '../../src/engine/run-logits.js';
import { DataType, encodeModel } from '../../src/formats/onnx/model.js';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { blockCount, LOGIT_BLOCK, outputLogits } from '../../src/graph/logit-blocks.js';
import { LOGIT_MAXIMA, LOGIT_SUMS } from '../../src/graph/ports.js';
import { PlainLogits } from '../unit/engine/support/plain-logits.js';
import { DEVICES, type TestDevice } from './support/devices.js';

/** More than are asked of the runtime at once. */
const POSITIONS = 40;

interface Placed {
  run: RunLogits;
  /** As a decoder's graph puts them out. */
  maxima: Float32Array;
  sums: Float32Array;
  release: () => Promise<void>;
}

function endOfDecoder(vocabSize: number): Uint8Array {
  const g = new GraphBuilder();
  outputLogits(g, g.input('in', DataType.float32, ['K', vocabSize]), vocabSize);
  return encodeModel(g.build('end of a decoder'));
}

async function placed(device: TestDevice, vocabSize: number, positions: readonly Float32Array[]): Promise<Placed> {
  const values = Float32Array.from(positions.flatMap((logits) => [...logits]));
  const gpu = device === 'webgpu' ? await GpuDevice.open() : null;
  const graph = endOfDecoder(vocabSize);
  const decoder = await (gpu?.load(graph, { wholeGraphOnDevice: true }) ?? Session.load({ graph, files: [] }));
  const fed = { in: float32(values, [positions.length, vocabSize]) };
  const { [LOGIT_MAXIMA]: maxima, [LOGIT_SUMS]: sums } = await decoder.run(fed, [LOGIT_MAXIMA, LOGIT_SUMS]);
  await decoder.release();
  const outputs = { maxima: maxima!.data, sums: sums!.data };
  if (gpu === null) {
    const masses = hostMasses(vocabSize, 1);
    const run = new HostLogits(vocabSize, values, outputs.maxima, masses);
    return { run, ...outputs, release: () => masses.release() };
  }
  const memory = new GpuLogitMemory(gpu, vocabSize, 1);
  const tensor = await gpu.upload(values, [positions.length, vocabSize]);
  const release = async (): Promise<void> => {
    tensor.dispose();
    await memory.release();
    expect(gpu.ledger.tensors).toBe(0);
    await gpu.release();
  };
  return { run: new GpuLogits(tensor, outputs.maxima, memory), ...outputs, release };
}

describe.each(DEVICES)('on %s', (device) => {
  test.each([4 * LOGIT_BLOCK, 4 * LOGIT_BLOCK - 37, 19])(
    'blocks of a vocabulary of %i are found, read and summed',
    async (vocabSize) => {
      const random = randomNumbers(vocabSize);
      const positions = Array.from({ length: POSITIONS }, () =>
        Float32Array.from({ length: vocabSize }, () => 40 * random() - 20),
      );
      const { run, maxima, sums, release } = await placed(device, vocabSize, positions);
      const plain = new PlainLogits(positions);
      expect(maxima).toEqual(plain.maxima);
      for (const [i, sum] of sums.entries()) {
        expect(sum).toBeCloseTo(
          positions[i]!.reduce((all, logit) => all + logit, 0),
          1,
        );
      }

      const wanted = [39, 3, 4, 0].map((position) => ({
        position,
        largest: Math.max(...positions[position]!),
        temperature: 0.3 + position / 10,
      }));
      const all = positions.map((logits, position) => ({ position, largest: Math.max(...logits), temperature: 1 }));
      for (const some of [wanted, all, wanted.slice(0, 1)]) {
        const [ours, theirs] = [await run.massesOf(some), await plain.massesOf(some)];
        expect(ours).toHaveLength(some.length);
        for (const [i, masses] of theirs.entries()) {
          expect(ours[i]).toHaveLength(blockCount(vocabSize));
          for (const [block, mass] of masses.entries()) {
            expect(Math.abs(ours[i]![block]! - mass)).toBeLessThanOrEqual(1e-4 * mass + 1e-30);
          }
        }
      }
      const places = [2, 39, 2, 0].map((position, i) => ({ position, block: (2 * i + 1) % blockCount(vocabSize) }));
      const theirs = await plain.read(places);
      for (const [i, values] of (await run.read(places)).entries()) {
        expect(values.subarray(0, theirs[i]!.length)).toEqual(theirs[i]);
      }
      expect(await run.copy([39, 1])).toEqual([positions[39], positions[1]]);
      await release();
    },
    120_000,
  );

  test('sums show what is not finite, wherever it is', async () => {
    const vocabSize = 2 * LOGIT_BLOCK + 5;
    const positions = [NaN, Infinity, -Infinity, 3].map((odd, i) =>
      Float32Array.from({ length: vocabSize }, (_, id) => (id === i * LOGIT_BLOCK ? odd : 1)),
    );
    positions[3]![vocabSize - 1] = -Infinity;
    const { sums, release } = await placed(device, vocabSize, [...positions, new Float32Array(vocabSize)]);
    expect([...sums].map(Number.isFinite)).toEqual([false, false, false, false, true]);
    await release();
  }, 120_000);

  test('a barred token weighs nothing at the largest and least of temperatures', async () => {
    const vocabSize = LOGIT_BLOCK + 1;
    const { run, release } = await placed(device, vocabSize, [new Float32Array(vocabSize)]);
    const barred = new Float32Array(vocabSize);
    barred[LOGIT_BLOCK] = -Infinity;
    const changed = run.ofOne(barred);
    for (const temperature of [Number.MIN_VALUE, 1, 1e46]) {
      const [masses] = await changed.massesOf([{ position: 0, largest: 0, temperature }]);
      expect([...masses!]).toEqual([LOGIT_BLOCK, 0]);
    }
    await release();
  }, 120_000);
});
