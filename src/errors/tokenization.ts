/** Prompts and messages on their way to tokens. */
import { EspalierError } from './espalier-error.js';

export class PromptTooLargeError extends EspalierError {
  constructor(bytes: number, maxBytes: number) {
    super({
      code: 'prompt_too_large',
      status: 413,
      message: `The prompt has ${bytes} bytes of text, and ${maxBytes} are allowed. Send less text, or raise ESPALIER_MAX_PROMPT_BYTES.`,
      details: { bytes, maxBytes },
    });
  }
}

/** Not a 5xx: clients would try again, and meet the same end. */
export class TokenizationTimeoutError extends EspalierError {
  constructor(timeoutMs: number) {
    super({
      code: 'tokenization_timeout',
      status: 400,
      message: `Tokenizing the prompt took longer than ${timeoutMs} ms and was stopped. Shorten it, above all runs without spaces, or raise ESPALIER_TOKENIZE_TIMEOUT_MS.`,
      details: { timeoutMs },
    });
  }
}

export class TokenizationQueueFullError extends EspalierError {
  constructor(waiting: number) {
    super({
      code: 'overloaded',
      status: 429,
      message: `${waiting} prompts wait to be tokenized already. Come back in a second.`,
      retryAfterSeconds: 1,
      details: { waiting },
    });
  }
}

export class UnsupportedTokenizerError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'unsupported_tokenizer',
      status: 400,
      message: `The tokenizer of this model can't be used: ${reason}`,
    });
  }
}

export class MissingChatTemplateError extends EspalierError {
  constructor() {
    super({
      code: 'chat_template_missing',
      status: 400,
      message:
        'The checkpoint of this model has no chat template, so messages have no defined form for it. Use /v1/completions, or import a checkpoint with a chat_template.jinja.',
      param: 'messages',
    });
  }
}

export class ChatTemplateError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'chat_template_failed',
      status: 400,
      message: `The model's chat template refuses these messages: ${reason}`,
      param: 'messages',
    });
  }
}
