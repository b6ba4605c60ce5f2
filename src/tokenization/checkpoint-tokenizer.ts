/** All that a checkpoint knows about text, as a worker holds it: encoder, decoder table and chat template. */
import { MissingChatTemplateError } from '../errors/tokenization.js';
import { ChatTemplate, type ChatMessage, type ChatOptions } from './chat-template.js';
import { TokenEncoder } from './token-encoder.js';
import { buildTokenTable, type TokenTableData } from './token-table.js';
import { readTokenizerFiles } from './tokenizer-files.js';

/** What the HTTP thread keeps of a tokenizer. */
export interface TokenizerSummary {
  table: TokenTableData;
  bosId: number | null;
  /** The tokenizer's own end-of-text token; the generation config may name more. */
  eosId: number | null;
  hasChatTemplate: boolean;
}

export class CheckpointTokenizer {
  readonly #encoder: TokenEncoder;
  readonly #chatTemplate: ChatTemplate | null;
  readonly #specialTokens: string[];
  readonly #table: TokenTableData;

  private constructor(encoder: TokenEncoder, chatTemplate: ChatTemplate | null, table: TokenTableData) {
    this.#encoder = encoder;
    this.#chatTemplate = chatTemplate;
    this.#specialTokens = encoder.addedTokens.filter((token) => token.special).map((token) => token.content);
    this.#table = table;
  }

  static async open(folder: string): Promise<CheckpointTokenizer> {
    const files = await readTokenizerFiles(folder);
    const encoder = new TokenEncoder(files);
    const template = files.chatTemplate === null ? null : new ChatTemplate(files, files.chatTemplate);
    const table = buildTokenTable(folder, files.tokenizer.decoder, encoder.vocabulary, encoder.addedTokens);
    return new CheckpointTokenizer(encoder, template, table);
  }

  summary(): TokenizerSummary {
    return {
      table: this.#table,
      bosId: this.#encoder.bosId,
      eosId: this.#encoder.eosId,
      hasChatTemplate: this.#chatTemplate !== null,
    };
  }

  /** A user's text; nothing in it becomes a special token. */
  encode(text: string, addSpecialTokens: boolean): number[] {
    return this.#encoder.encode(text, 'all', addSpecialTokens);
  }

  /** A conversation: special tokens are the template's alone, and none are added to its output. */
  encodeChat(messages: readonly ChatMessage[], options: ChatOptions): number[] {
    if (!this.#chatTemplate) throw new MissingChatTemplateError();
    const { text, untrusted } = this.#chatTemplate.render(messages, options, this.#specialTokens);
    return this.#encoder.encode(text, untrusted, false);
  }
}
