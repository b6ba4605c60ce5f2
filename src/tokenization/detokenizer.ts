/**
 * Tokens → text, one token at a time. Bytes of a character that isn't complete yet are held back, and what has been
 * given out never changes: the pieces, joined, are the whole text.
 */
import type { TokenTable } from './token-table.js';

export class Detokenizer {
  readonly #table: TokenTable;
  readonly #keepSpecial: boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #stripSpace: boolean;

  /** `atStart`: the tokens begin a text, so that a space which the tokenizer put there is taken off. */
  constructor(table: TokenTable, options: { atStart: boolean; keepSpecial: boolean }) {
    this.#table = table;
    this.#keepSpecial = options.keepSpecial;
    this.#stripSpace = options.atStart && table.stripsFirstSpace;
  }

  /** The text that is complete with this token; often empty. */
  push(token: number): string {
    if (!this.#keepSpecial && this.#table.isSpecial(token)) return '';
    let bytes = this.#table.bytes(token);
    if (this.#stripSpace && bytes.length > 0 && !this.#table.isSpecial(token)) {
      this.#stripSpace = false;
      if (bytes[0] === 0x20) bytes = bytes.subarray(1);
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** Ends the text: a character that stays incomplete becomes U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }
}

/** The text of whole tokens, from the start of a text. */
export function detokenize(table: TokenTable, tokens: Iterable<number>): string {
  const detokenizer = new Detokenizer(table, { atStart: true, keepSpecial: false });
  let text = '';
  for (const token of tokens) text += detokenizer.push(token);
  return text + detokenizer.end();
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One token for people to read: its text, or OpenAI's `bytes:\xe2\x80` where its bytes are no text by themselves. */
export function tokenText(table: TokenTable, token: number): string {
  const bytes = table.bytes(token);
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}
