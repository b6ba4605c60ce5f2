/** Answer of `POST /v1/chat/completions`, whole or as the events of a stream. */
import { z } from 'zod';
import { chatLogprobsSchema } from '../logprobs.js';
import { answerHead, finishReason, usageSchema } from './answer-fields.js';

const choiceFields = {
  index: z.number(),
  logprobs: chatLogprobsSchema.nullable(),
  finish_reason: finishReason,
};

const choiceSchema = z.object({
  ...choiceFields,
  message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
});
export type ChatChoice = z.infer<typeof choiceSchema>;

const chunkChoiceSchema = z.object({
  ...choiceFields,
  delta: z.object({
    role: z.literal('assistant').optional(),
    content: z.string().optional(),
    refusal: z.null().optional(),
  }),
});
export type ChatChunkChoice = z.infer<typeof chunkChoiceSchema>;

export const chatCompletionSchema = z
  .object({
    ...answerHead,
    object: z.literal('chat.completion'),
    choices: z.array(choiceSchema),
    usage: usageSchema,
  })
  .meta({ id: 'ChatCompletion' });

/** The last one has the usage and no choices, if it was asked for. */
export const chatChunkSchema = z
  .object({
    ...answerHead,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(chunkChoiceSchema),
    usage: usageSchema.nullish(),
  })
  .meta({ id: 'ChatCompletionChunk' });
