/** Answer of `POST /v1/completions`, whole or as the events of a stream. */
import { z } from 'zod';
import { completionLogprobsSchema } from '../logprobs.js';
import { answerHead, finishReason, usageSchema } from './answer-fields.js';

const choiceSchema = z.object({
  index: z.number(),
  text: z.string(),
  logprobs: completionLogprobsSchema.nullable(),
  finish_reason: finishReason,
});
export type CompletionChoice = z.infer<typeof choiceSchema>;

const fields = { ...answerHead, object: z.literal('text_completion'), choices: z.array(choiceSchema) };

export const completionSchema = z.object({ ...fields, usage: usageSchema }).meta({ id: 'Completion' });

/** The last one has the usage and no choices, if it was asked for. */
export const completionChunkSchema = z
  .object({ ...fields, usage: usageSchema.nullish() })
  .meta({ id: 'CompletionChunk' });
