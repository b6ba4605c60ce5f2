/** Float16 on a GPU whose shaders have it, against transformers + PEFT in float32, and against its own weights. */
import { jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GpuDevice } from '../../src/engine/gpu/gpu-device.js';
import type { AdapterUse } from '../../src/engine/protocol.js';
import { expectedTensors } from '../../src/formats/checkpoint/expected-tensors.js';
import { linearModules } from '../../src/formats/checkpoint/modules.js';
import { readAdapter } from '../../src/formats/peft/read-adapter.js';
import { decodeF16, encodeF16 } from '../../src/formats/safetensors/half.js';
import { writeSafetensors } from '../../src/formats/safetensors/write-safetensors.js';
import { float32 } from '../../src/engine/ort.js';
import { BLOCK_POSITIONS } from '../../src/graph/pool-ports.js';
import { encodeFloat16Graph, RESULT, ROWS, TENSOR } from '../../src/graph/tensor-graphs.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { GoldenCase } from './support/golden.js';
import { GPU_FLOAT_TYPES, loadOnGpu, type OnGpu } from './support/gpu-float-types.js';
import { largestDifference } from './support/largest-difference.js';

jest.setTimeout(300_000);

/** Of logits of about ±5: what float16-graph.test.ts allows, and the sums in float16 that a GPU's products take. */
const TOLERANCE = 5e-2;
/** Of a row in a batch and the same row alone: other shapes are other kernels, whose sums are rounded in another order. */
const BATCH_TOLERANCE = 5e-2;

const never = new AbortController().signal;

if (!GPU_FLOAT_TYPES.includes('float16')) {
  test.skip('in float16: set ESPALIER_TEST_WEBGPU=float16 where a GPU has it (.ci/lavapipe.sh)', () => undefined);
}

// Not `describe.each`, which refuses to be given none.
for (const floatType of GPU_FLOAT_TYPES.filter((type) => type === 'float16')) {
  describe.each(['qwen2'] as const)('%s', (name) => {
    let golden: GoldenCase;
    let loaded: OnGpu;
    beforeAll(async () => {
      golden = await GoldenCase.open(name);
      loaded = await loadOnGpu({ digest: name, folder: golden.checkpoint.folder }, LIMITS, floatType);
    });
    afterAll(async () => {
      await loaded.close();
      await golden.remove();
    });

    test('every path, its prompt in chunks', async () => {
      let worst = 0;
      for (const expectation of golden.expectations) {
        const { tokens, steps, prompt } = expectation;
        const uses = golden.uses(steps);
        const options = { chunk: 8, promptLength: prompt.length };
        const logits = await DrivenRow.alone(loaded.model, tokens, uses, options);
        worst = Math.max(worst, largestDifference(logits, golden.logits(expectation)));
      }
      expect(worst).toBeLessThanOrEqual(TOLERANCE);
      // It was float16 indeed.
      expect(worst).toBeGreaterThan(1e-4);
    });

    test('rows of all paths in one batch', async () => {
      const { model } = loaded;
      const rows = [];
      for (const expectation of golden.expectations) {
        const row = await DrivenRow.join(model, expectation.tokens, golden.uses(expectation.steps));
        rows.push({ row, expectation });
      }
      await DrivenRow.step(
        model,
        rows.map(({ row }) => ({ row, count: row.left })),
      );
      for (const { row, expectation } of rows) {
        row.leave();
        expect(largestDifference(row.logits, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
        const alone = await DrivenRow.alone(model, expectation.tokens, golden.uses(expectation.steps));
        expect(largestDifference(row.logits, alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
      }
    });

    test('a merged path', async () => {
      const expectation = golden.expectations.find(({ steps }) => steps.length === 3)!;
      const lane = await loaded.model.merge(golden.uses(expectation.steps), never);
      const logits = await DrivenRow.alone(lane, expectation.tokens, []);
      await lane.release();
      expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
    });

    test('an adapter that overflows in float16 fails its own row and harms no other, nor one that comes after', async () => {
      const { model } = loaded;
      const folder = await mkdtemp(join(tmpdir(), 'espalier-overflow-'));
      const culprit = await writeOverflowing(folder, golden);
      const expectation = golden.expectations.find(({ steps }) => steps.length === 3)!;
      const { tokens, steps } = expectation;
      const rows = [
        await DrivenRow.join(model, tokens, golden.uses(steps)),
        await DrivenRow.join(model, tokens, [culprit]),
        await DrivenRow.join(model, tokens, []),
      ];
      await DrivenRow.step(
        model,
        rows.map((row) => ({ row, count: tokens.length })),
      );
      for (const row of rows) row.leave();
      const [good, bad, bare] = rows.map(({ logits }) => logits);
      expect(largestDifference(good!, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
      expect(bad!.every(Number.isNaN)).toBe(true);
      const alone = await DrivenRow.alone(model, tokens, []);
      expect(largestDifference(bare!, alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
      const after = await DrivenRow.alone(model, tokens, golden.uses(steps));
      expect(largestDifference(after, golden.logits(expectation))).toBeLessThanOrEqual(TOLERANCE);
      await rm(folder, { recursive: true });
    });

    test('matrices and the cache take half of what they take in float32', () => {
      const { model, memory } = loaded;
      let [matrices, vectors] = [0, 0];
      for (const shape of expectedTensors(golden.checkpoint.config).values()) {
        const elements = shape.reduce((product, size) => product * size, 1);
        if (shape.length === 2) matrices += elements;
        else vectors += elements;
      }
      const { headDim, layers, kvHeads, maxPositions } = golden.checkpoint.config;
      const tables = 2 * maxPositions * (headDim / 2);
      expect(model.bytes).toBe(2 * matrices + 4 * (vectors + tables));
      expect(model.weightTypes).toEqual({ quantization: null, dtype: 'float16' });
      expect(memory.device.dtype).toBe('float16');
      expect(model.kv.open('row', 1)).toBe(true);
      expect(model.kv.usedBytes).toBe(2 * 2 * layers * kvHeads * BLOCK_POSITIONS * headDim);
      model.kv.close('row');
    });
  });

  test('a product of 4096 numbers is within a hundredth of what such a product typically is', async () => {
    const device = await GpuDevice.open('float16');
    const session = await device.load(encodeFloat16Graph());
    const [rows, columns, width] = [3, 64, 4096];
    const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * i * 0.37));
    const [tensor, fed] = [numbers(columns * width), numbers(rows * width)].map((values) => {
      const rounded = new Float32Array(values.length);
      decodeF16(encodeF16(values), rounded);
      return rounded;
    }) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    const { [RESULT]: result } = await session.run({
      [TENSOR]: float32(tensor, [columns, width]),
      [ROWS]: float32(fed, [rows, width]),
    });
    let [error, size] = [0, 0];
    for (const [i, value] of result!.data.entries()) {
      const [row, column] = [Math.floor(i / columns), i % columns];
      let exact = 0;
      for (let k = 0; k < width; k++) exact += fed[row * width + k]! * tensor[column * width + k]!;
      error += (value - exact) ** 2;
      size += exact ** 2;
    }
    expect(Math.sqrt(error / size)).toBeLessThanOrEqual(0.01);
    await session.release();
    await device.release();
  });

  test('a merge sums in float32 and rounds once, in blocks or at once', async () => {
    const device = await GpuDevice.open('float16');
    const [out, width, rank] = [37, 64, 24];
    const numbers = (count: number, scale: number) =>
      Float32Array.from({ length: count }, (_, i) => scale * Math.sin(1 + i * 1.37) * Math.cos(i * 0.61));
    const patterns = encodeF16(numbers(out * width, 1));
    const [a, b] = [numbers(rank * width, 0.5), numbers(rank * out, 0.4)];
    const stored = new Float32Array(patterns.length);
    decodeF16(patterns, stored);
    const exact = stored.map((w, i) => {
      let sum = w;
      for (let r = 0; r < rank; r++) sum += b[r * out + Math.floor(i / width)]! * a[r * width + (i % width)]!;
      return sum;
    });
    const weight = await device.upload(patterns, [out, width]);
    const whole = await device.merge(weight, { rank, a, b });
    const inBlocks = await device.merge(weight, { rank, a, b }, 10 * width * 4);
    const got = await device.download(whole);
    expect(await device.download(inBlocks)).toEqual(got);
    // Half a step of float16, and what the order of a float32 sum may change.
    for (const [i, value] of got.entries()) {
      const step = 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(exact[i]!))) - 10);
      expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(0.5 * step + 1e-6);
    }
    for (const tensor of [weight, whole, inBlocks]) tensor.dispose();
    expect(device.ledger.bytes).toBe(0);
    await device.release();
  });
}

/** x·Aᵀ is beyond float16 for some rank of any x: in the shared port for that of other rows too. Import lets it in. */
async function writeOverflowing(folder: string, { checkpoint }: GoldenCase): Promise<AdapterUse> {
  const { config, origins } = checkpoint;
  const name = 'model.layers.0.mlp.gate_proj';
  const { inFeatures, outFeatures } = linearModules(config).find((module) => module.name === name)!;
  const rank = 16;
  const signs = Float32Array.from({ length: inFeatures * rank }, (_, i) => 9984 * Math.sign(Math.sin(1 + i * i)));
  const configFile = join(folder, 'adapter_config.json');
  const weightsFile = join(folder, 'adapter_model.safetensors');
  const common = { peft_type: 'LORA', r: rank, lora_alpha: rank, task_type: 'CAUSAL_LM' };
  await writeFile(configFile, JSON.stringify({ ...common, target_modules: 'model\\.layers\\.0\\.mlp\\.gate_proj' }));
  const stored = { dtype: 'F32' as const };
  await writeSafetensors(weightsFile, [
    { ...stored, name: `base_model.model.${name}.lora_A.weight`, shape: [rank, inFeatures], data: signs },
    {
      ...stored,
      name: `base_model.model.${name}.lora_B.weight`,
      shape: [outFeatures, rank],
      data: new Float32Array(outFeatures * rank).fill(1),
    },
  ]);
  const { digest } = await readAdapter({ configFile, weightsFile }, { config, origins });
  return { digest, rank, weight: 1, configFile, weightsFile };
}
