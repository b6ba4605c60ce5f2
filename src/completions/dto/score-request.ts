/** Body and answer of `POST /v1/score`: how likely a text is under one or several paths. */
import { z } from 'zod';
import { modelField } from './generation-fields.js';

const MAX_PATHS = 64;
const textOrTokens = z.union([z.string(), z.array(z.number().int().min(0)).min(1)]);

export const scoreRequest = z
  .strictObject({
    model: modelField.optional(),
    models: z.array(modelField).min(1).max(MAX_PATHS).optional(),
    text: textOrTokens.optional().meta({
      description: 'The whole of it is scored, from its first token on where the tokenizer puts a BOS before it.',
      examples: ['Le capitaine monta sur le pont.'],
    }),
    prompt: textOrTokens.optional().describe('What stands before the continuation; not scored itself.'),
    continuation: textOrTokens.optional().describe('Scored, given the prompt.'),
    add_special_tokens: z.boolean().optional(),
    logprobs: z.boolean().optional().describe('Reports each scored token.'),
  })
  .superRefine((body, context) => {
    const issue = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message });
    if ((body.model === undefined) === (body.models === undefined)) {
      issue('model', 'Either "model" or "models" is expected.');
    }
    if ((body.text === undefined) === (body.continuation === undefined)) {
      issue('text', 'Either "text" or "continuation" is expected.');
    }
    if (body.prompt !== undefined && body.continuation === undefined) {
      issue('prompt', 'Only allowed with "continuation".');
    }
    if (body.prompt !== undefined && typeof body.prompt !== typeof body.continuation) {
      issue('prompt', 'Prompt and continuation are both texts or both lists of tokens.');
    }
  })
  .meta({
    examples: [{ models: ['storyteller', 'storyteller/french'], text: 'Le capitaine monta sur le pont.' }],
    // The rules above, as far as JSON schemas can say them.
    allOf: [
      { oneOf: [{ required: ['model'] }, { required: ['models'] }] },
      { oneOf: [{ required: ['text'] }, { required: ['continuation'] }] },
    ],
    dependentRequired: { prompt: ['continuation'] },
  });
export type ScoreRequest = z.infer<typeof scoreRequest>;

const pathScoreSchema = z.object({
  model: z.string(),
  path_digest: z.string(),
  log_likelihood: z.number().describe('Sum over the scored tokens, natural logarithm.'),
  tokens: z.number().describe('How many tokens were scored.'),
  perplexity: z.number().describe('e^(−log_likelihood / tokens)'),
  logprobs: z.array(z.object({ token: z.string(), token_id: z.number(), logprob: z.number() })).optional(),
});
export type PathScore = z.infer<typeof pathScoreSchema>;

export const scoreSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(pathScoreSchema).describe('In the order of the models asked for.'),
    usage: z.object({ prompt_tokens: z.number(), total_tokens: z.number() }),
  })
  .meta({ id: 'Score' });
export type ScoreAnswer = z.infer<typeof scoreSchema>;
