/** Blocks of logits as the runtime gives them, in the CPU's memory and a GPU's, against plain arrays. */
import { GpuDevice } from '../../src/engine/gpu/gpu-device.js';
import { GpuLogitMemory, GpuLogits } from '../../src/engine/gpu/gpu-logits.js';
import { LogitWeigher } from '../../src/engine/logit-weigher.js';
import { Session } from '../../src/engine/ort.js';
import { randomNumbers } from '../../src/engine/random.js';
import { HostLogits, type RunLogits } from '../../src/engine/run-logits.js';
import { blocksOf, LOGIT_BLOCK } from '../../src/graph/logit-blocks.js';
import { PlainLogits } from '../unit/engine/support/plain-logits.js';
import { DEVICES, type TestDevice } from './support/devices.js';

const POSITIONS = 40;

interface Placed {
  run: RunLogits;
  release: () => Promise<void>;
}

async function placed(device: TestDevice, vocabSize: number, positions: readonly Float32Array[]): Promise<Placed> {
  const values = Float32Array.from(positions.flatMap((logits) => [...logits]));
  const { maxima } = new PlainLogits(positions);
  if (device === 'cpu') {
    const weigher = new LogitWeigher(vocabSize, (graph) => Session.load({ graph, files: [] }, { threads: 1 }));
    return { run: new HostLogits(vocabSize, values, maxima, weigher), release: () => weigher.release() };
  }
  const gpu = await GpuDevice.open();
  const memory = new GpuLogitMemory(gpu, vocabSize);
  const tensor = await gpu.upload(values, [positions.length, vocabSize]);
  const release = async (): Promise<void> => {
    tensor.dispose();
    await memory.release();
    expect(gpu.ledger.tensors).toBe(0);
    await gpu.release();
  };
  return { run: new GpuLogits(tensor, maxima, memory), release };
}

describe.each(DEVICES)('on %s', (device) => {
  test.each([4 * LOGIT_BLOCK, 4 * LOGIT_BLOCK - 37, 19])(
    'blocks of a vocabulary of %i are read and weighed',
    async (vocabSize) => {
      const random = randomNumbers(vocabSize);
      const positions = Array.from({ length: POSITIONS }, () =>
        Float32Array.from({ length: vocabSize }, () => 40 * random() - 20),
      );
      const { run, release } = await placed(device, vocabSize, positions);
      const plain = new PlainLogits(positions);
      const wanted = [39, 3, 4, 0].map((position) => ({
        position,
        largest: Math.max(...positions[position]!),
        temperature: 0.3 + position / 10,
      }));
      const all = positions.map((logits, position) => ({ position, largest: Math.max(...logits), temperature: 1 }));
      for (const some of [wanted, all, wanted.slice(0, 1)]) {
        const [ours, theirs] = [await run.weigh(some), await plain.weigh(some)];
        for (const [i, weights] of theirs.entries()) {
          expect(ours[i]).toHaveLength(blocksOf(vocabSize));
          for (const [block, weight] of weights.entries()) {
            expect(Math.abs(ours[i]![block]! - weight)).toBeLessThanOrEqual(1e-4 * weight + 1e-30);
          }
        }
      }
      const places = [2, 39, 2, 0].map((position, i) => ({ position, block: (2 * i + 1) % blocksOf(vocabSize) }));
      const theirs = await plain.read(places);
      for (const [i, values] of (await run.read(places)).entries()) {
        expect(values.subarray(0, theirs[i]!.length)).toEqual(theirs[i]);
      }
      expect(await run.copy([39, 1])).toEqual([positions[39], positions[1]]);
      await release();
    },
    120_000,
  );
});
