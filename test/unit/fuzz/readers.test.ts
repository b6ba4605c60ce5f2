/** Readers of what comes from outside take their input or refuse it, whatever it is. */
import { afterAll, beforeAll, describe, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseModelConfig } from '../../../src/formats/checkpoint/parse-model-config.js';
import { parseAdapterConfig } from '../../../src/formats/peft/adapter-config.js';
import { readAdapter } from '../../../src/formats/peft/read-adapter.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import { formatPath, parsePath } from '../../../src/tree/path.js';
import { writeTinyAdapter } from '../../e2e/support/tiny-registry.js';
import { TINY } from '../formats/support/tiny-model.js';
import { damaged, damagedJson, PARAMETERS, takenOrRefused } from '../support/fuzz.js';

jest.setTimeout(1_800_000);

describe('whatever it is', () => {
  let folder: string;
  let weights: Buffer;
  let config: Record<string, unknown>;
  const base = { config: parseModelConfig(TINY), origins: ['tiny'] };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier fuzz '));
    await writeTinyAdapter(join(folder, 'good'));
    weights = await readFile(join(folder, 'good', 'adapter_model.safetensors'));
    config = JSON.parse(await readFile(join(folder, 'good', 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('a path is read or refused, and what is read is written the same again', async () => {
    const pieces = fc.constantFrom(
      'story',
      'french',
      '/',
      ':',
      '@',
      '0.8',
      '-4',
      '.',
      '1e3',
      '999999999',
      '%2f',
      'é',
      ' ',
    );
    const text = fc.oneof(
      fc.array(pieces, { maxLength: 40 }).map((all) => all.join('')),
      fc.string({ unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(text, (path) =>
        takenOrRefused(() => {
          const written = formatPath(parsePath(path));
          if (formatPath(parsePath(written)) !== written) throw new Error(`${written} is not canonical`);
        }),
      ),
      PARAMETERS,
    );
  });

  it('a safetensors file', async () => {
    const file = join(folder, 'any.safetensors');
    await fc.assert(
      fc.asyncProperty(damaged(weights), async (bytes) => {
        await writeFile(file, bytes);
        await takenOrRefused(async () => {
          const opened = await SafetensorsFile.open(file);
          await opened.close();
        });
      }),
      PARAMETERS,
    );
  });

  it('an adapter_config.json', async () => {
    await fc.assert(
      fc.asyncProperty(damagedJson(config), (json) => takenOrRefused(() => parseAdapterConfig(json))),
      PARAMETERS,
    );
  });

  it('an adapter', async () => {
    const files = { configFile: join(folder, 'config'), weightsFile: join(folder, 'weights') };
    const input = fc.record({ bytes: fc.oneof(damaged(weights), fc.constant(weights)), json: damagedJson(config) });
    await fc.assert(
      fc.asyncProperty(input, async ({ bytes, json }) => {
        await writeFile(files.weightsFile, bytes);
        await writeFile(files.configFile, JSON.stringify(json));
        await takenOrRefused(() => readAdapter(files, base));
      }),
      PARAMETERS,
    );
  });
});
