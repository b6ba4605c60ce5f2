/** The file of quantised weights that lies beside a checkpoint. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDING, LM_HEAD } from '../../../src/formats/checkpoint/expected-tensors.js';
import { linearModules } from '../../../src/formats/checkpoint/modules.js';
import { readCheckpoint } from '../../../src/formats/checkpoint/read-checkpoint.js';
import { TensorReader } from '../../../src/formats/checkpoint/tensor-reader.js';
import { loadedWeightBytes } from '../../../src/formats/quantization/loaded-bytes.js';
import { quantizeWeight } from '../../../src/formats/quantization/quantize-weight.js';
import { PARTS, QUANTIZED_FILE, storedScheme } from '../../../src/formats/quantization/quantized-file.js';
import { QUANTIZATIONS, schemeOf } from '../../../src/formats/quantization/scheme.js';
import { bytesToQuantize, writeQuantized } from '../../../src/formats/quantization/write-quantized.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import { temporaryFolders } from './support/folder.js';
import { tensorsOf, TINY, writeCheckpoint } from './support/tiny-model.js';

const newFolder = temporaryFolders();

async function checkpoint(config: Record<string, unknown> = TINY, tensors = tensorsOf(config)): Promise<string> {
  const folder = await newFolder();
  await writeCheckpoint(folder, config, tensors);
  return folder;
}

test.each(QUANTIZATIONS)(
  '%s: every linear lies in the file as it was quantised, whatever it was stored as',
  async (form) => {
    const tensors = tensorsOf(TINY).map((tensor, i) => ({
      ...tensor,
      dtype: i % 2 === 0 ? ('F16' as const) : tensor.dtype,
    }));
    const folder = await checkpoint(TINY, tensors);
    const source = await readCheckpoint(folder);
    expect(source.quantization).toBeNull();
    let bytes = 0;
    await writeQuantized(source, form, join(folder, QUANTIZED_FILE), (read) => (bytes += read));
    expect(bytes).toBe(bytesToQuantize(source));

    const quantized = await readCheckpoint(folder);
    expect(quantized.quantization).toBe(form);
    // What it was made from is there still.
    for (const name of source.tensors.keys()) expect(quantized.tensors.get(name)).toEqual(source.tensors.get(name));
    const reader = new TensorReader(folder);
    for (const { name, projection, outFeatures, inFeatures } of linearModules(source.config)) {
      const scheme = schemeOf(form, projection);
      expect(storedScheme(quantized.tensors, name)).toEqual(scheme);
      const dense = new Float32Array(outFeatures * inFeatures);
      await reader.readFloat32(source.tensors.get(`${name}.weight`)!, dense);
      const expected = quantizeWeight(dense, [outFeatures, inFeatures], scheme);
      for (const { name: nameOf, part } of PARTS) {
        const location = quantized.tensors.get(nameOf(name));
        if (location === undefined) {
          expect({ part, empty: expected[part].length }).toEqual({ part: 'zeroPoints', empty: 0 });
          continue;
        }
        const stored = new Uint8Array(location.end - location.begin);
        await reader.readBytes(location, stored);
        expect(Buffer.from(stored).equals(Buffer.from(expected[part].buffer))).toBe(true);
      }
    }
    await reader.close();
  },
);

test.each([EMBEDDING, LM_HEAD])('a tied lm_head is quantised from the matrix that is stored as %s', async (stored) => {
  const config = { ...TINY, tie_word_embeddings: true };
  const tensors = tensorsOf(config).map((tensor) => (tensor.name === EMBEDDING ? { ...tensor, name: stored } : tensor));
  const folder = await checkpoint(config, tensors);
  await writeQuantized(await readCheckpoint(folder), 'int8_symmetric', join(folder, QUANTIZED_FILE));
  const { data } = tensors.find(({ name }) => name === stored)!;
  const file = await SafetensorsFile.open(join(folder, QUANTIZED_FILE));
  const scales = await file.readFloat32('lm_head.weight.scales');
  await file.close();
  expect(scales).toEqual(quantizeWeight(data, [12, 8], schemeOf('int8_symmetric', 'lm_head')).scales);
});

test('weights that are not finite are refused, by the name of their module', async () => {
  const tensors = tensorsOf(TINY);
  tensors.find(({ name }) => name.endsWith('1.mlp.up_proj.weight'))!.data[7] = NaN;
  const folder = await checkpoint(TINY, tensors);
  await expect(
    writeQuantized(await readCheckpoint(folder), 'int4_symmetric', join(folder, QUANTIZED_FILE)),
  ).rejects.toMatchObject({
    code: 'unsupported_quantization',
    message: expect.stringContaining('1.mlp.up_proj') as string,
  });
});

test('a file of another model, or of nobody knows what, is refused', async () => {
  const folder = await checkpoint();
  await writeQuantized(await readCheckpoint(folder), 'int4_symmetric', join(folder, QUANTIZED_FILE));
  const other = await checkpoint({ ...TINY, intermediate_size: 40 });
  await rename(join(folder, QUANTIZED_FILE), join(other, QUANTIZED_FILE));
  await expect(readCheckpoint(other)).rejects.toMatchObject({ code: 'invalid_file' });

  const header = Buffer.from('{}      ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(join(folder, QUANTIZED_FILE), Buffer.concat([length, header]));
  await expect(readCheckpoint(folder)).rejects.toMatchObject({
    code: 'invalid_file',
    message: expect.stringContaining('how it is quantised') as string,
  });
});

test('no shard of a checkpoint may be named like it', async () => {
  const folder = await checkpoint();
  await rename(join(folder, 'model.safetensors'), join(folder, QUANTIZED_FILE));
  await writeFile(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: Object.fromEntries(tensorsOf(TINY).map(({ name }) => [name, QUANTIZED_FILE])) }),
  );
  await expect(readCheckpoint(folder)).rejects.toMatchObject({ code: 'invalid_file' });
});

test('what a loaded model takes: the quantised linears as they are stored, the rest in float32', async () => {
  const { config, parameters } = await readCheckpoint(await checkpoint());
  expect(loadedWeightBytes(config, null)).toBe(4 * parameters);
  const linears = linearModules(config).reduce((sum, module) => sum + module.inFeatures * module.outFeatures, 0);
  // Rows of 8 and 10 weights are one block each, of 32 bytes and a scale.
  const rows = linearModules(config).reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  expect(loadedWeightBytes(config, 'int8_symmetric')).toBe(4 * (parameters - linears) + rows * (32 + 4));
});
