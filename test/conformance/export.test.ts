/** A path that was exported as one adapter computes what transformers + PEFT compute with the path's separate ones. */
import { jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { LoadedModel } from '../../src/engine/loaded-model.js';
import { PathExport } from '../../src/formats/peft/path-export.js';
import { readAdapter } from '../../src/formats/peft/read-adapter.js';
import { DrivenRow, LIMITS } from './support/driven-row.js';
import { adapterFiles, CASES, expectations, GoldenCase } from './support/golden.js';
import { largestDifference } from './support/largest-difference.js';

/** The bar for logits against the oracle. */
const GOLDEN_TOLERANCE = 1e-4;

// Other processes may use the machine.
jest.setTimeout(60_000);

describe.each(CASES)('%s', (name) => {
  let golden: GoldenCase;
  let model: LoadedModel;
  let folder: string;
  beforeAll(async () => {
    golden = await GoldenCase.open(name);
    model = await LoadedModel.load({ digest: name, folder: golden.checkpoint.folder }, LIMITS);
    folder = await mkdtemp(join(tmpdir(), 'espalier-export-'));
  });
  afterAll(async () => {
    await model.release();
    await golden.remove();
    await rm(folder, { recursive: true });
  });

  const exported = expectations(name).filter(({ steps }) => steps.some(({ weight }) => weight !== 0));

  test.each(exported)('$title', async ({ title }) => {
    const expectation = golden.expectations.find((one) => one.title === title)!;
    const steps = expectation.steps
      .filter(({ weight }) => weight !== 0)
      .map(({ node, weight }) => ({ ...adapterFiles(name, node), digest: node, weight }));
    const path = await PathExport.open(steps, golden.checkpoint, 'digest');
    const configFile = join(folder, 'adapter_config.json');
    const weightsFile = join(folder, 'adapter_model.safetensors');
    await writeFile(configFile, path.config(golden.checkpoint.origins[0]!));
    await writeFile(weightsFile, Readable.from(path.weights()));
    await path.close();

    const { digest, rank, warnings } = await readAdapter({ configFile, weightsFile }, golden.checkpoint);
    expect(warnings).toEqual([]);
    const use = { digest, rank, weight: 1, configFile, weightsFile };
    const logits = await DrivenRow.alone(model, expectation.tokens, [use]);
    expect(largestDifference(logits, golden.logits(expectation))).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
  });
});
