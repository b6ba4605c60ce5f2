/** What the service and a tokenizer worker say to each other. */
import type { ErrorShape } from '../errors/espalier-error.js';
import type { ChatMessage, ChatOptions } from './chat-template.js';
import type { TokenizerSummary } from './checkpoint-tokenizer.js';

/** A checkpoint's tokenizer on disk. */
export interface TokenizerSource {
  /** Base digest: what workers and service keep it by. */
  digest: string;
  folder: string;
}

export type TokenizerWork =
  | { type: 'load' }
  | { type: 'encode'; texts: readonly string[]; addSpecialTokens: boolean }
  | { type: 'chat'; messages: readonly ChatMessage[]; options: ChatOptions };

export interface TokenizerJob {
  id: number;
  source: TokenizerSource;
  work: TokenizerWork;
}

/** Sent when the tokenizer is there and the work itself begins: from here on the deadline runs. */
export interface JobStarted {
  started: number;
}

export type TokenizerResult =
  | { type: 'loaded'; summary: TokenizerSummary }
  | { type: 'encoded'; tokens: number[][] }
  /** Error classes don't survive the way between threads. */
  | { type: 'failed'; error: ErrorShape };
