/** Reported tokens in OpenAI's two shapes. */
import { tokenText } from '../tokenization/detokenizer.js';
import type { TokenTable } from '../tokenization/token-table.js';
import type { ReportedToken } from './choice.js';

/** JSON has no −Infinity; what vLLM sends for a token of no probability at all. */
const LEAST_LOGPROB = -9999;

/** Of completions: lists of equal length. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

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

interface ChatToken {
  token: string;
  logprob: number;
  bytes: number[];
}

/** Of chat completions: one entry a token. */
export interface ChatLogprobs {
  content: (ChatToken & { top_logprobs: ChatToken[] })[];
  refusal: null;
}

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
