import { UnsupportedArchitectureError } from '../../errors/models.js';
import type { ModelType } from '../../formats/checkpoint/model-config.js';
import type { DecoderBlock } from '../decoder-block.js';
import { llama } from './llama.js';
import { mistral } from './mistral.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';

/** By the `model_type` of config.json. A new architecture is a file beside this one and a line here. */
const ARCHITECTURES: Readonly<Record<ModelType, DecoderBlock>> = { llama, mistral, qwen2, qwen3 };

export function decoderBlock(modelType: string): DecoderBlock {
  const known = new Map<string, DecoderBlock>(Object.entries(ARCHITECTURES));
  const block = known.get(modelType);
  if (block === undefined) throw new UnsupportedArchitectureError(modelType, [...known.keys()]);
  return block;
}
