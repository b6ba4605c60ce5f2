/**
 * Text → token ids with a checkpoint's tokenizer.
 *
 * The steps are those of the tokenizers library, whose parts do the work (normalizer, pre-tokenizer, model). Only the
 * splitting at added tokens is ours, because the library's own finds special tokens in whatever a user types; and a
 * model whose vocabulary lists its special tokens (`<s>` in SentencePiece) must not build them from text either.
 */
import { UnsupportedTokenizerError } from '../errors/tokenization.js';
import { AddedTokens, type AddedToken, type Untrusted } from './added-tokens.js';
import { HuggingFaceTokenizer } from './hugging-face-tokenizer.js';
import { MAX_TOKEN_ID, type TokenizerFiles } from './tokenizer-files.js';

export class TokenEncoder {
  /** Ids that the checkpoint puts before and after a text. */
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** By id; holes where the vocabulary has none. */
  readonly vocabulary: readonly (string | undefined)[];
  readonly addedTokens: readonly AddedToken[];
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #raw: AddedTokens;
  readonly #normalized: AddedTokens;
  /** Contents of special tokens, but for the unknown token: that one comes from text by right. */
  readonly #special: ReadonlySet<string>;

  constructor(files: TokenizerFiles) {
    try {
      this.#tokenizer = new HuggingFaceTokenizer(files.tokenizer, { ...files.config });
    } catch (error) {
      throw new UnsupportedTokenizerError(error instanceof Error ? error.message : String(error));
    }
    const { model } = this.#tokenizer;
    const largestId = model.vocab.length - 1;
    if (largestId > MAX_TOKEN_ID) {
      throw new UnsupportedTokenizerError(
        `tokenizer.json has a token with the id ${largestId}; at most ${MAX_TOKEN_ID} is read.`,
      );
    }
    const named = new Set([files.config.bos_token, files.config.eos_token]);
    const normalize = (text: string): string => this.#normalize(text);
    const raw: AddedToken[] = [];
    const normalized: AddedToken[] = [];
    for (const json of files.tokenizer.added_tokens) {
      const token: AddedToken = {
        id: json.id,
        content: json.content,
        singleWord: json.single_word,
        lstrip: json.lstrip,
        rstrip: json.rstrip,
        special: json.special || named.has(json.content),
      };
      // Special tokens are looked for before normalizing, because what is trusted is known by offsets in that text.
      if (token.special || !(json.normalized ?? true)) raw.push(token);
      else normalized.push({ ...token, content: normalize(token.content) });
    }
    this.#raw = new AddedTokens(raw);
    this.#normalized = new AddedTokens(normalized.filter((token) => token.content !== ''));
    this.addedTokens = [...raw, ...normalized];
    this.#special = new Set(
      raw.filter((token) => token.special && token.content !== model.unk_token).map((token) => token.content),
    );
    this.vocabulary = model.vocab;
    this.bosId = this.#idOf(files.config.bos_token);
    this.eosId = this.#idOf(files.config.eos_token);
    [this.prefix, this.suffix] = this.#surroundings();
  }

  /** `addSpecialTokens` puts the checkpoint's prefix and suffix (BOS, mostly) around the text. */
  encode(text: string, untrusted: Untrusted, addSpecialTokens: boolean): number[] {
    const ids = addSpecialTokens ? [...this.prefix] : [];
    for (const [index, section] of this.#raw.split(text, untrusted).entries()) {
      if ('token' in section) ids.push(section.token.id);
      else this.#encodeSection(section.text, index, ids);
    }
    if (addSpecialTokens) ids.push(...this.suffix);
    return ids;
  }

  #encodeSection(text: string, index: number, ids: number[]): void {
    for (const section of this.#normalized.split(this.#normalize(text), 'all')) {
      if ('token' in section) {
        ids.push(section.token.id);
        continue;
      }
      const { pre_tokenizer: preTokenizer } = this.#tokenizer;
      const pieces = preTokenizer ? preTokenizer.pre_tokenize(section.text, { section_index: index }) : [section.text];
      for (const token of this.#tokenizer.model._call(pieces)) this.#pushToken(token, ids);
    }
  }

  #pushToken(token: string, ids: number[]): void {
    if (!this.#special.has(token)) {
      const id = this.#tokenizer.model.tokens_to_ids.get(token) ?? this.#tokenizer.model.unk_token_id;
      if (id !== undefined) ids.push(id);
      return;
    }
    // The model's vocabulary holds a special token, and found it in text: spell it instead.
    const characters = Array.from(token);
    if (characters.length === 1) {
      if (this.#tokenizer.model.unk_token_id !== undefined) ids.push(this.#tokenizer.model.unk_token_id);
      return;
    }
    for (const part of this.#tokenizer.model._call(characters)) this.#pushToken(part, ids);
  }

  #normalize(text: string): string {
    return this.#tokenizer.normalizer ? this.#tokenizer.normalizer.normalize(text) : text;
  }

  #idOf(token: string | null): number | null {
    return token === null ? null : (this.#tokenizer.model.tokens_to_ids.get(token) ?? null);
  }

  /** What the post-processor puts around a text, found by giving it a probe. */
  #surroundings(): [prefix: number[], suffix: number[]] {
    const processor = this.#tokenizer.post_processor;
    if (!processor) return [[], []];
    const probe = '\u0000probe';
    const { tokens } = processor.post_process([probe], null, true);
    const at = tokens.indexOf(probe);
    const ids = (names: string[]): number[] => names.map((name) => this.#idOf(name)).filter((id) => id !== null);
    return [ids(tokens.slice(0, at)), ids(tokens.slice(at + 1))];
  }
}
