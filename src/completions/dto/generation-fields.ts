/**
 * Fields that completions and chat completions share: OpenAI's, and vLLM's extensions. Clients send null for "left
 * out". A field that would change the output and isn't implemented is refused by name, unless its value asks for what
 * happens anyway; fields that change nothing here are taken and ignored.
 */
import { z } from 'zod';

const MAX_CHOICES = 128;
const MAX_STOP_STRINGS = 16;
const MAX_STOP_LENGTH = 256;
const MAX_TOKEN_LIST = 1024;
const MAX_SALT_LENGTH = 256;

const tokenId = z.number().int().min(0);
const stopString = z.string().min(1).max(MAX_STOP_LENGTH);
export const ignored = z.unknown().optional().describe('Taken, and of no effect.');

/** Only `null` and the given values, which say what happens anyway. */
export function unsupported(advice: string, ...harmless: readonly unknown[]): z.ZodOptional {
  const accepted = new Set([null, ...harmless].map((value) => JSON.stringify(value)));
  return z
    .unknown()
    .refine((value) => accepted.has(JSON.stringify(value)), { message: `${advice} Leave it out.` })
    .optional()
    .meta({ description: advice, enum: [null, ...harmless] });
}

export const modelField = z
  .string()
  .min(1)
  .max(4096)
  .meta({ description: 'A path.', examples: ['storyteller/french/verne'] });

export const generationFields = {
  model: modelField,
  n: z.number().int().min(1).max(MAX_CHOICES).nullish(),
  max_tokens: z
    .number()
    .int()
    .min(0)
    .nullish()
    .meta({ examples: [16] }),
  max_completion_tokens: z.number().int().min(0).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.number().int().nullish(),
  stop: z.union([stopString, z.array(stopString).max(MAX_STOP_STRINGS)]).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/, 'A token id is expected.'), z.number().min(-100).max(100)).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),

  // vLLM's extensions.
  top_k: z.number().int().min(-1).nullish().describe('0 and −1 are off.'),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  min_tokens: z.number().int().min(0).nullish(),
  stop_token_ids: z.array(tokenId).max(MAX_TOKEN_LIST).nullish(),
  ignore_eos: z.boolean().nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  skip_special_tokens: z.boolean().nullish(),
  cache_salt: z
    .string()
    .min(1)
    .max(MAX_SALT_LENGTH)
    .nullish()
    .describe(
      'What is kept of the prompt to answer sooner next time is shared by all requests with the same salt, instead of ' +
        "those of the same key. Choose one that can't be guessed.",
    ),

  user: ignored,
  metadata: ignored,
  store: ignored,
  service_tier: ignored,
  safety_identifier: ignored,
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
};

export type GenerationFields = z.infer<z.ZodObject<typeof generationFields>>;

/** The rule below, as JSON schemas say it. */
export const streamRule = {
  if: { properties: { stream_options: { type: 'object' } }, required: ['stream_options'] },
  then: { properties: { stream: { const: true } }, required: ['stream'] },
} as const;

/** Rules between fields. */
export function checkGeneration(
  fields: Pick<GenerationFields, 'stream' | 'stream_options'>,
  context: z.core.$RefinementCtx,
): void {
  if (fields.stream_options && fields.stream !== true) {
    context.addIssue({ code: 'custom', path: ['stream_options'], message: 'Only allowed with "stream": true.' });
  }
}
