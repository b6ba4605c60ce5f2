/** Reported tokens in OpenAI's two shapes. */
import { z } from 'zod';
import { tokenText } from '../tokenization/detokenizer.js';
import type { TokenTable } from '../tokenization/token-table.js';
import type { ReportedToken } from './choice.js';

/** JSON has no −Infinity; what vLLM sends for a token of no probability at all. */
const LEAST_LOGPROB = -9999;

/** Of completions: lists of equal length. */
export const completionLogprobsSchema = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
    text_offset: z.array(z.number()),
  })
  .meta({ id: 'CompletionLogprobs' });
export type CompletionLogprobs = z.infer<typeof completionLogprobsSchema>;

export function completionLogprobs(table: TokenTable, reported: readonly ReportedToken[]): CompletionLogprobs {
  return {
    tokens: reported.map(({ token }) => tokenText(table, token)),
    token_logprobs: reported.map(({ logprob }) => finite(logprob)),
    top_logprobs: reported.map(({ token, logprob, top }) => {
      if (logprob === null) return null;
      // The chosen token is always among them. Where two tokens read the same, the more likely one stays.
      const all = [{ token, logprob }, ...[...top].reverse()];
      return Object.fromEntries(all.map((entry) => [tokenText(table, entry.token), finite(entry.logprob)]));
    }),
    text_offset: reported.map(({ offset }) => offset),
  };
}

const chatTokenSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()) });
type ChatToken = z.infer<typeof chatTokenSchema>;

/** Of chat completions: one entry a token. */
export const chatLogprobsSchema = z
  .object({
    content: z.array(chatTokenSchema.extend({ top_logprobs: z.array(chatTokenSchema) })),
    refusal: z.null(),
  })
  .meta({ id: 'ChatLogprobs' });
export type ChatLogprobs = z.infer<typeof chatLogprobsSchema>;

export function chatLogprobs(table: TokenTable, reported: readonly ReportedToken[]): ChatLogprobs {
  const entry = (token: number, logprob: number): ChatToken => ({
    token: tokenText(table, token),
    logprob: finite(logprob),
    bytes: [...table.bytes(token)],
  });
  return {
    content: reported.map(({ token, logprob, top }) => ({
      ...entry(token, logprob ?? 0),
      top_logprobs: top.map((other) => entry(other.token, other.logprob)),
    })),
    refusal: null,
  };
}

export function finite(logprob: number): number;
export function finite(logprob: number | null): number | null;
export function finite(logprob: number | null): number | null {
  return logprob === null ? null : Math.max(logprob, LEAST_LOGPROB);
}
