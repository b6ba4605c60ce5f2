/**
 * Beside a delta of lm_head PEFT saves the base's own lm_head. A copy changes nothing; one that differs (a vocabulary
 * that was resized, an embedding that was trained) is a change that a low-rank sum can't serve.
 */
import { join } from 'node:path';
import { InvalidAdapterTensorError } from '../../errors/adapters.js';
import { EMBEDDING, LM_HEAD } from '../checkpoint/expected-tensors.js';
import { readWeightFiles } from '../checkpoint/weight-files.js';
import { maxDifference } from '../safetensors/compare.js';
import { SafetensorsFile } from '../safetensors/safetensors-file.js';
import type { AdapterBase } from './open-adapter.js';

/** Rounding to BF16, for a base that was loaded narrower than it is stored. Relative to the value. */
const ROUNDING = 2 ** -8;

/** copies: key in the adapter's file → name of the base's tensor. Returns warnings. */
export async function checkBaseCopies(
  weights: SafetensorsFile,
  copies: ReadonlyMap<string, string>,
  { config, folder }: AdapterBase,
): Promise<string[]> {
  const shape = [config.vocabSize, config.hiddenSize];
  for (const key of copies.keys()) {
    const found = weights.tensors.get(key)?.shape ?? [];
    if (found.length !== 2 || found.some((size, i) => size !== shape[i])) {
      throw new InvalidAdapterTensorError(
        key,
        `is [${found.join(', ')}], another vocabulary than the base's [${shape.join(', ')}]; train without resizing the embedding`,
      );
    }
  }
  if (copies.size === 0) return [];
  if (folder === undefined) return ['The copies of base weights in the adapter were not compared with the base.'];
  const { tensors } = await readWeightFiles(folder);
  for (const [key, name] of copies) {
    const tensor = tensors.get(name) ?? tensors.get(name === LM_HEAD ? EMBEDDING : LM_HEAD);
    if (tensor === undefined) continue;
    const base = await SafetensorsFile.open(join(folder, tensor.file));
    try {
      if ((await maxDifference(weights, key, base, tensor.name)) > ROUNDING) {
        throw new InvalidAdapterTensorError(
          key,
          `is not the base's own ${name}: it was trained, or belongs to another base. Train without changing whole weights`,
        );
      }
    } finally {
      await base.close();
    }
  }
  return [];
}
