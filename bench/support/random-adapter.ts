/** A PEFT folder with random numbers: one rank on every linear but lm_head. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelConfig } from '../../src/formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../../src/formats/checkpoint/modules.js';
import { writeSafetensors } from '../../src/formats/safetensors/write-safetensors.js';
import { RandomNumbers } from './random-numbers.js';

export interface AdapterFiles {
  folder: string;
  configFile: string;
  weightsFile: string;
}

export async function writeRandomAdapter(
  folder: string,
  config: ModelConfig,
  rank: number,
  seed: number,
): Promise<AdapterFiles> {
  await mkdir(folder, { recursive: true });
  const files = {
    folder,
    configFile: join(folder, 'adapter_config.json'),
    weightsFile: join(folder, 'adapter_model.safetensors'),
  };
  const random = new RandomNumbers(seed);
  const modules = linearModules(config).filter(({ projection }) => projection !== 'lm_head');
  const tensors = modules.flatMap(({ name, inFeatures, outFeatures }) => {
    const tensor = (part: string, rows: number, columns: number) => ({
      name: `base_model.model.${name}.${part}.weight`,
      dtype: 'F32' as const,
      shape: [rows, columns],
      data: random.fill(rows * columns, 0.02),
    });
    return [tensor('lora_A', rank, inFeatures), tensor('lora_B', outFeatures, rank)];
  });
  await writeSafetensors(files.weightsFile, tensors, { format: 'pt' });
  const adapter = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: null,
    r: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    bias: 'none',
    target_modules: PROJECTIONS.filter((projection) => projection !== 'lm_head'),
    inference_mode: true,
  };
  await writeFile(files.configFile, JSON.stringify(adapter, null, 2));
  return files;
}
