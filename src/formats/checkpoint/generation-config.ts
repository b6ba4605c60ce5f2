/** What a checkpoint says about generating: tokens that end a text, and defaults for sampling. */
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidFileError } from '../../errors/files.js';
import { readJsonFile } from '../json.js';
import { CONFIG_FILE } from './parse-model-config.js';

const GENERATION_CONFIG_FILE = 'generation_config.json';
const MAX_BYTES = 1024 * 1024;

export interface GenerationDefaults {
  /** Any of them ends a text. From config.json and generation_config.json, ascending. */
  eosTokenIds: number[];
  bosTokenId: number | null;
  temperature?: number;
  topP?: number;
  topK?: number;
  repetitionPenalty?: number;
  maxNewTokens?: number;
}

const tokenId = z.number().int().min(0);
const special = z.object({
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  bos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});
const generation = special.extend({
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.number().int().min(0).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.number().int().positive().nullish(),
});

export async function readGenerationConfig(folder: string): Promise<GenerationDefaults> {
  const config = await read(folder, CONFIG_FILE, special, true);
  const own = await read(folder, GENERATION_CONFIG_FILE, generation, false);
  const ends = [...list(config.eos_token_id), ...list(own.eos_token_id)];
  return {
    eosTokenIds: [...new Set(ends)].sort((one, other) => one - other),
    bosTokenId: list(own.bos_token_id)[0] ?? list(config.bos_token_id)[0] ?? null,
    // `do_sample: false` means greedy, whatever else is said.
    ...given('temperature', own.do_sample === false ? 0 : own.temperature),
    ...given('topP', own.top_p),
    ...given('topK', own.top_k),
    ...given('repetitionPenalty', own.repetition_penalty),
    ...given('maxNewTokens', own.max_new_tokens),
  };
}

async function read<T>(folder: string, name: string, schema: z.ZodType<T>, required: boolean): Promise<Partial<T>> {
  let json: unknown;
  try {
    json = await readJsonFile(join(folder, name), { name, maxBytes: MAX_BYTES });
  } catch (error) {
    if (!required && error instanceof InvalidFileError && error.missing) return {};
    throw error;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InvalidFileError(name, `can't be used: "${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}`);
}

function list(ids: number | number[] | null | undefined): number[] {
  if (ids === null || ids === undefined) return [];
  return typeof ids === 'number' ? [ids] : ids;
}

function given<K extends string>(name: K, value: number | null | undefined): Partial<Record<K, number>> {
  return value === null || value === undefined ? {} : ({ [name]: value } as Record<K, number>);
}
