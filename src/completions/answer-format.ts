/** An answer in one of OpenAI's shapes: what the two of them have to say differently. */
import type { TokenTable } from '../tokenization/token-table.js';
import type { ChoiceDelta, ReportedToken } from './choice.js';
import type { ChatChoice, ChatChunkChoice } from './dto/chat-answer.js';
import type { CompletionChoice } from './dto/completion-answer.js';
import type { FinishReason } from '../engine/protocol.js';
import { chatLogprobs, completionLogprobs } from './logprobs.js';

/** A choice from its start to its end. */
export interface FinishedChoice {
  index: number;
  text: string;
  tokens: ReportedToken[];
  finish: FinishReason | null;
}

export interface AnswerFormat<Choice = object, Chunk = object> {
  idPrefix: string;
  object: string;
  chunkObject: string;
  choice(choice: FinishedChoice): Choice;
  /** What a stream says of a choice before anything else, if anything. */
  firstChunk(index: number): Chunk | null;
  chunk(delta: ChoiceDelta): Chunk;
}

export function completionFormat(
  table: TokenTable,
  logprobs: boolean,
): AnswerFormat<CompletionChoice, CompletionChoice> {
  const choice = ({ index, text, tokens, finish }: FinishedChoice): CompletionChoice => ({
    index,
    text,
    logprobs: logprobs ? completionLogprobs(table, tokens) : null,
    finish_reason: finish,
  });
  return {
    idPrefix: 'cmpl',
    object: 'text_completion',
    chunkObject: 'text_completion',
    choice,
    firstChunk: () => null,
    chunk: choice,
  };
}

export function chatFormat(table: TokenTable, logprobs: boolean): AnswerFormat<ChatChoice, ChatChunkChoice> {
  return {
    idPrefix: 'chatcmpl',
    object: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    choice: ({ index, text, tokens, finish }) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: logprobs ? chatLogprobs(table, tokens) : null,
      finish_reason: finish,
    }),
    firstChunk: (index) => ({
      index,
      delta: { role: 'assistant', content: '', refusal: null },
      logprobs: null,
      finish_reason: null,
    }),
    chunk: ({ index, text, tokens, finish }) => ({
      index,
      delta: text === '' ? {} : { content: text },
      logprobs: logprobs && tokens.length > 0 ? chatLogprobs(table, tokens) : null,
      finish_reason: finish,
    }),
  };
}
