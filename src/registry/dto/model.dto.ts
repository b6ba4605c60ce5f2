/** A base model as clients see it. */
import { z } from 'zod';
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { loadedWeightBytes } from '../../formats/quantization/loaded-bytes.js';
import { QUANTIZATION_NAMES, QUANTIZATIONS, type Quantization } from '../../formats/quantization/scheme.js';
import { errorBodySchema } from '../../http/error-body.js';
import { plainText } from '../../http/plain-text.js';

export const importModelBody = z.strictObject({
  name: z.string().min(1).max(100).describe('The first segment of every path in its tree.'),
  folder: plainText(4096).min(1).describe('A Hugging Face folder on the machine of the service.'),
  link: z
    .boolean()
    .default(false)
    .describe('Hard-links the weights instead of copying them: only for a folder that nobody rewrites in place.'),
  quantize: z
    .enum(QUANTIZATION_NAMES)
    .optional()
    .describe(
      'Stores the weights of all linears in 8 or 4 bits too, and serves those. Left out, they stay as they are.',
    ),
});
/** As it comes in; `link` and `quantize` may be left out. */
export type ImportModelInput = z.input<typeof importModelBody>;
export type ImportModel = z.output<typeof importModelBody>;

export const modelSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    digest: z.string().describe('Base digest.'),
    modelType: z.string(),
    parameters: z.number(),
    bytes: z.number().describe('On disk.'),
    quantization: z.enum(QUANTIZATIONS).nullable().describe('How its linears are quantised; null: not at all.'),
    memoryBytes: z.number().describe('What its weights take once loaded: 4 bytes a parameter that is not quantised.'),
    maxPositions: z.number(),
    vocabSize: z.number(),
    layers: z.number(),
    hiddenSize: z.number(),
    origins: z.array(z.string()).describe('Names that adapters may give as their base without a warning.'),
    warnings: z.array(z.string()),
    rootNodeId: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Model' });
export type ModelDto = z.infer<typeof modelSchema>;

export const importedModelSchema = modelSchema
  .extend({
    unchanged: z.boolean().describe('The name already stands for exactly these files: nothing was done.'),
  })
  .meta({ id: 'ImportedModel' });
export type ImportedModelDto = z.infer<typeof importedModelSchema>;

/** A line of an import that is watched: how far it is, and at last the model, or why there is none. */
export const importLineSchema = z
  .union([
    z.strictObject({ progress: z.object({ bytes: z.number(), totalBytes: z.number() }) }),
    z.strictObject({ model: importedModelSchema }),
    errorBodySchema.extend({
      status: z.int().describe('What the answer would have had, had the error come before its first line.'),
    }),
  ])
  .meta({ id: 'ImportLine' });
export type ImportLine = z.infer<typeof importLineSchema>;

/** The part of a config that is shown. */
const shownConfig = z.object({
  maxPositions: z.number(),
  vocabSize: z.number(),
  layers: z.number(),
  hiddenSize: z.number(),
});

export interface ModelRow {
  id: string;
  name: string;
  digest: string;
  modelType: string;
  config: unknown;
  origins: string[];
  parameters: bigint;
  bytes: bigint;
  warnings: string[];
  quantization: string | null;
  createdAt: Date;
}

export function toModelDto(row: ModelRow, rootNodeId: string): ModelDto {
  const parameters = Number(row.parameters);
  // Written by an import.
  const quantization = row.quantization as Quantization | null;
  return {
    id: row.id,
    name: row.name,
    digest: row.digest,
    modelType: row.modelType,
    parameters,
    bytes: Number(row.bytes),
    quantization,
    memoryBytes: quantization === null ? parameters * 4 : loadedWeightBytes(row.config as ModelConfig, quantization),
    ...shownConfig.parse(row.config),
    origins: row.origins,
    warnings: row.warnings,
    rootNodeId,
    createdAt: row.createdAt.toISOString(),
  };
}
