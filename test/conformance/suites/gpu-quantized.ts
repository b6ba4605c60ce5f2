/**
 * Quantised bases on a GPU, against transformers with the weights that their numbers stand for: bare, and with a path on
 * top. A merged path isn't quantised there: it is held against the path over the weights that were quantised.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '../../../src/formats/checkpoint/read-checkpoint.js';
import { QUANTIZED_FILE } from '../../../src/formats/quantization/quantized-file.js';
import type { Quantization } from '../../../src/formats/quantization/scheme.js';
import { writeQuantized } from '../../../src/formats/quantization/write-quantized.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import type { FloatType } from '../../../src/graph/graph-options.js';
import { sharedGpu } from '../support/devices.js';
import { DrivenRow, LIMITS } from '../support/driven-row.js';
import { GoldenCase } from '../support/golden.js';
import { loadOnGpu, type OnGpu } from '../support/gpu-float-types.js';
import { largestDifference } from '../support/largest-difference.js';

/** Of logits of about ±5: the operator may round activations to 8 bits, as on the CPU. */
const TOLERANCE = 0.1;
/** Of a merged path: its sums are those of the checkpoint's own weights, so only what the path doesn't touch is quantised. */
const MERGED_TOLERANCE = 0.05;
const never = new AbortController().signal;

export function gpuQuantizedTests(floatType: FloatType, quantization: Quantization): void {
  let golden: GoldenCase;
  let oracle: SafetensorsFile;
  let folder: string;
  let loaded: OnGpu;
  beforeAll(async () => {
    golden = await GoldenCase.open('qwen2');
    oracle = await SafetensorsFile.open(join(import.meta.dirname, '../../fixtures/golden/qwen2/quantized.safetensors'));
    folder = await mkdtemp(join(tmpdir(), 'espalier-quantised-'));
    await cp(golden.checkpoint.folder, folder, { recursive: true });
    await writeQuantized(await readCheckpoint(folder), quantization, join(folder, QUANTIZED_FILE));
    loaded = await loadOnGpu({ digest: quantization, folder }, LIMITS, floatType, sharedGpu(floatType));
  });
  afterAll(async () => {
    await loaded.close();
    await rm(folder, { recursive: true });
    await oracle.close();
    await golden.remove();
  });

  test('computes the base and a path on top of it from the quantised weights', async () => {
    expect(loaded.model.weightTypes).toEqual({ quantization, dtype: floatType });
    const keys = [...oracle.tensors.keys()].filter((key) => key.startsWith(`logits.${quantization}.`));
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      // Two prompts a path; the oracle had the longer.
      const expectation = golden.expectations[2 * Number(key.split('.')[2]) + 1]!;
      const logits = await DrivenRow.alone(loaded.model, expectation.tokens, golden.uses(expectation.steps));
      expect(largestDifference(logits, await oracle.readFloat32(key))).toBeLessThanOrEqual(TOLERANCE);
      // The oracle's numbers are those of quantised weights, not the golden ones.
      const dense = golden.logits(expectation);
      expect(largestDifference(logits, dense)).toBeGreaterThan(MERGED_TOLERANCE / 10);
    }
  });

  test('merges a path over the weights that were quantised', async () => {
    const expectation = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const before = loaded.memory.device.gpuBytes;
    const lane = await loaded.model.merge(golden.uses(expectation.steps), never);
    expect(loaded.memory.device.gpuBytes - before).toBe(lane.bytes);
    const logits = await DrivenRow.alone(lane, expectation.tokens, []);
    await lane.release();
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(MERGED_TOLERANCE);
  });
}
