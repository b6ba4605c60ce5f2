/** Body of `POST /v1/completions`. */
import { z } from 'zod';
import { checkGeneration, generationFields, streamRule, unsupported } from './generation-fields.js';

const MAX_PROMPTS = 128;
const tokens = z.array(z.number().int().min(0)).min(1);

export const completionRequest = z
  .strictObject({
    ...generationFields,
    prompt: z
      .union(
        [z.string(), tokens, z.array(z.string()).min(1).max(MAX_PROMPTS), z.array(tokens).min(1).max(MAX_PROMPTS)],
        {
          error: `A text, a list of token ids, or a list of 1 to ${MAX_PROMPTS} of either is expected.`,
        },
      )
      .nullish()
      .meta({
        description: 'A text, a list of token ids, or several of either: each is completed by itself.',
        examples: ['Le capitaine'],
      }),
    echo: z.boolean().nullish(),
    logprobs: z.number().int().min(0).max(20).nullish().describe('How many alternatives to report with each token.'),
    best_of: z.number().int().nullish(),
    suffix: unsupported('Text after the completion is not supported.', ''),
    add_special_tokens: z
      .boolean()
      .nullish()
      .describe("vLLM's extension: whether the checkpoint's own tokens (BOS) are put before a text."),
  })
  .superRefine((body, context) => {
    checkGeneration(body, context);
    if (body.best_of != null && body.best_of !== (body.n ?? 1)) {
      const message = 'Choosing the best of several is not supported: it can only be the same as "n". Leave it out.';
      context.addIssue({ code: 'custom', path: ['best_of'], message });
    }
  })
  .meta({
    allOf: [streamRule],
    examples: [{ model: 'storyteller/french/verne', prompt: 'Le capitaine', max_tokens: 16 }],
  });
export type CompletionRequest = z.infer<typeof completionRequest>;

/** The prompts one by one. */
export function promptsOf(prompt: CompletionRequest['prompt']): (string | number[])[] {
  if (prompt == null) return [''];
  if (typeof prompt === 'string') return [prompt];
  return isTokens(prompt) ? [prompt] : prompt;
}

function isTokens(prompt: string[] | number[] | number[][]): prompt is number[] {
  return typeof prompt[0] === 'number';
}
