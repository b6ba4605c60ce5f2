/** What the answers of completions and chat completions share. */
import { z } from 'zod';

export const usageSchema = z
  .object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    total_tokens: z.number(),
    prompt_tokens_details: z.object({
      cached_tokens: z.number().describe('Tokens of the prompt that an earlier request had computed.'),
    }),
  })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof usageSchema>;

/** Null while a stream goes on. */
export const finishReason = z.enum(['stop', 'length']).nullable();

export const answerHead = {
  id: z.string(),
  created: z.number().describe('Seconds.'),
  model: z.string().describe('As the request named it.'),
  system_fingerprint: z.string().describe('Path digest.'),
};
export type AnswerHead = z.infer<z.ZodObject<typeof answerHead>>;
