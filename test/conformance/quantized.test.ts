/**
 * Quantised bases against transformers with the weights that their numbers stand for (test/fixtures/make_quantized.py):
 * bare, with a path on top, and with the path merged.
 */
import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoadedModel } from '../../src/engine/loaded-model.js';
import { linearModules } from '../../src/formats/checkpoint/modules.js';
import { readCheckpoint } from '../../src/formats/checkpoint/read-checkpoint.js';
import { PARTS, QUANTIZED_FILE } from '../../src/formats/quantization/quantized-file.js';
import { QUANTIZATIONS, type Quantization } from '../../src/formats/quantization/scheme.js';
import { writeQuantized } from '../../src/formats/quantization/write-quantized.js';
import { SafetensorsFile } from '../../src/formats/safetensors/safetensors-file.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';

jest.setTimeout(60_000);

/** Of logits of about ±5: what the operator's rounding of activations to 8 bits leads to. */
const TOLERANCE = 0.1;
/** The same, and a number now and then that is rounded the other way because the sum below it was taken in float32. */
const MERGED_TOLERANCE = 0.15;
const never = new AbortController().signal;

describe.each(['llama', 'qwen2'] as const)('%s', (name) => {
  let golden: GoldenCase;
  let oracle: SafetensorsFile;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
    oracle = await SafetensorsFile.open(join(import.meta.dirname, '../fixtures/golden', name, 'quantized.safetensors'));
  });
  afterAll(async () => {
    await oracle.close();
    await golden.remove();
  });

  describe.each(QUANTIZATIONS)('%s', (quantization) => {
    let folder: string;
    let model: LoadedModel;
    beforeAll(async () => {
      folder = await quantized(golden.checkpoint.folder, quantization);
      const limits = { ...LIMITS, packedFolder: join(folder, 'packed') };
      model = await LoadedModel.load({ digest: `${name}-${quantization}`, folder }, limits);
      while (await model.prepare()) continue;
    });
    afterAll(async () => {
      await model.release();
      await rm(folder, { recursive: true });
    });

    /** The paths that the oracle was asked about: the base, and the deepest. */
    const expected = () =>
      [...oracle.tensors.keys()]
        .filter((key) => key.startsWith(`logits.${quantization}.`))
        .map((key) => {
          const index = Number(key.split('.')[2]);
          // Two prompts a path; the oracle had the longer.
          return { key, expectation: golden.expectations[2 * index + 1]! };
        });

    test('has the numbers, scales and zero points that numpy finds', async () => {
      const hash = createHash('sha256');
      const { tensors } = await readCheckpoint(folder);
      const bytes = await readFile(join(folder, QUANTIZED_FILE));
      for (const module of linearModules(golden.checkpoint.config)) {
        for (const part of ['scales', 'packed', 'zeroPoints']) {
          const tensor = tensors.get(PARTS.find((each) => each.part === part)!.name(module.name));
          if (tensor !== undefined) hash.update(bytes.subarray(tensor.begin, tensor.end));
        }
      }
      expect(hash.digest('hex')).toBe(oracle.metadata[`sha256.${quantization}`]);
    });

    test('computes the base and a path on top of it', async () => {
      expect(expected()).toHaveLength(2);
      for (const { key, expectation } of expected()) {
        const logits = await DrivenRow.alone(model, expectation.tokens, golden.uses(expectation.steps));
        expect(largestDifference(logits, await oracle.readFloat32(key))).toBeLessThanOrEqual(TOLERANCE);
      }
    });

    test('computes the same from weights that are mapped as from its own', async () => {
      expect(model.drawback).toBeUndefined();
      expect(await readdir(join(folder, 'packed'))).toHaveLength(1);
      const own = await LoadedModel.load({ digest: `${name}-${quantization}`, folder }, LIMITS);
      for (const { expectation } of expected()) {
        const uses = golden.uses(expectation.steps);
        const [logits, want] = [
          await DrivenRow.alone(model, expectation.tokens, uses),
          await DrivenRow.alone(own, expectation.tokens, uses),
        ];
        expect(largestDifference(logits, want)).toBeLessThanOrEqual(1e-6);
      }
      await own.release();
    });

    test('computes a merged path, whose weights are quantised anew', async () => {
      const { key, expectation } = expected()[1]!;
      const lane = await model.merge(golden.uses(expectation.steps), never);
      const logits = await DrivenRow.alone(lane, expectation.tokens, []);
      const base = await DrivenRow.alone(model, expectation.tokens, []);
      await lane.release();
      const want = await oracle.readFloat32(key.replace('logits', 'merged'));
      expect(largestDifference(logits, want)).toBeLessThanOrEqual(MERGED_TOLERANCE);
      expect(largestDifference(base, want)).toBeGreaterThan(1);
    });
  });
});

/** A folder with the checkpoint and its quantised weights, as an import leaves it. */
async function quantized(checkpoint: string, quantization: Quantization): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-quantised-'));
  await cp(checkpoint, folder, { recursive: true });
  await writeQuantized(await readCheckpoint(folder), quantization, join(folder, QUANTIZED_FILE));
  return folder;
}
