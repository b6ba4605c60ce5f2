/** An imported checkpoint as the running service knows it. */
import type { ModelSource } from '../engine/protocol.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { Quantization } from '../formats/quantization/scheme.js';
import type { ModelRecord } from '../tree/records.js';

export interface RegisteredModel extends ModelRecord {
  /** Absolute. Holds config.json, tokenizer, safetensors and the graph. */
  folder: string;
  config: ModelConfig;
  /** How its linears are quantised; null where they aren't. */
  quantization: Quantization | null;
  /** Names that adapters may give as their base without a warning. */
  origins: readonly string[];
  parameters: number;
  createdAt: Date;
}

export function sourceOf({ digest, folder }: RegisteredModel): ModelSource {
  return { digest, folder };
}
