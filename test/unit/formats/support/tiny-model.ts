import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedTensors } from '../../../../src/formats/checkpoint/expected-tensors.js';
import { type LinearModule, linearModules } from '../../../../src/formats/checkpoint/modules.js';
import { parseModelConfig } from '../../../../src/formats/checkpoint/parse-model-config.js';
import { type TensorToWrite, writeSafetensors } from '../../../../src/formats/safetensors/write-safetensors.js';
import type { Target } from '../../../../src/formats/peft/target-modules.js';

/** config.json of a model small enough to write in a test. */
export const TINY = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 12,
  hidden_size: 8,
  intermediate_size: 10,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

/** Numbers between −1 and 1 that differ from place to place. */
export function values(length: number, seed = 1): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233));
}

export function tensorsOf(config: Record<string, unknown>): TensorToWrite[] {
  return [...expectedTensors(parseModelConfig(config))].map(([name, shape], i) => ({
    name,
    dtype: 'F32',
    shape,
    data: values(
      shape.reduce((product, size) => product * size, 1),
      i + 1,
    ),
  }));
}

export async function writeCheckpoint(
  folder: string,
  config: Record<string, unknown> = TINY,
  tensors: TensorToWrite[] = tensorsOf(config),
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'tokenizer.json'), '{}');
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

/** A and B of each target under PEFT's keys. */
export function adapterTensors(targets: readonly Target[]): TensorToWrite[] {
  return targets.flatMap(({ module: { name, inFeatures, outFeatures }, rank }, i): TensorToWrite[] => [
    {
      name: `base_model.model.${name}.lora_A.weight`,
      dtype: 'F32',
      shape: [rank, inFeatures],
      data: values(rank * inFeatures, i + 100),
    },
    {
      name: `base_model.model.${name}.lora_B.weight`,
      dtype: 'F32',
      shape: [outFeatures, rank],
      data: values(outFeatures * rank, i + 200),
    },
  ]);
}

export const tinyModules = (): LinearModule[] => linearModules(parseModelConfig(TINY));
