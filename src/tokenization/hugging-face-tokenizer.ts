/**
 * `Tokenizer` of @huggingface/tokenizers, with the parts of it that are used here. The package's own declarations
 * import each other without file extensions, which module resolution by Node's rules doesn't follow.
 */
import * as library from '@huggingface/tokenizers';

export interface HuggingFaceTokenizer {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string, options: { section_index: number }): string[] } | null;
  readonly model: TokenizerModel;
  readonly post_processor: {
    post_process(tokens: string[], pair: string[] | null, addSpecialTokens: boolean): { tokens: string[] };
  } | null;
}

export interface TokenizerModel {
  /** Tokens by id. */
  readonly vocab: readonly (string | undefined)[];
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token?: string | null;
  readonly unk_token_id?: number;
  /** Pre-tokens → tokens, unknown ones fused where the tokenizer says so. */
  _call(pieces: string[]): string[];
}

/** Takes the contents of tokenizer.json and tokenizer_config.json; throws where a part isn't known. */
export const HuggingFaceTokenizer = (library as unknown as { Tokenizer: unknown }).Tokenizer as new (
  tokenizer: object,
  config: object,
) => HuggingFaceTokenizer;
