import { readFileSync } from 'node:fs';
import { CheckpointTokenizer } from '../../../src/tokenization/checkpoint-tokenizer.js';
import { TokenEncoder } from '../../../src/tokenization/token-encoder.js';
import { TokenTable } from '../../../src/tokenization/token-table.js';
import { detokenize } from '../../../src/tokenization/detokenizer.js';
import { readTokenizerFiles } from '../../../src/tokenization/tokenizer-files.js';
import { fixture } from './fixture.js';

interface Case {
  text: string;
  /** By the tokenizers library, with special tokens encoded as text, and BOS or EOS added. */
  typed: number[];
  /** Special tokens are found; nothing added. */
  trusted: number[];
  decoded: string;
}
const cases = JSON.parse(readFileSync(fixture('cases.json'), 'utf8')) as Record<string, Case[]>;

describe.each(Object.keys(cases))('a tokenizer of kind %s', (kind) => {
  const rows = cases[kind]!;
  let encoder: TokenEncoder;
  let tokenizer: CheckpointTokenizer;
  beforeAll(async () => {
    encoder = new TokenEncoder(await readTokenizerFiles(fixture(kind)));
    tokenizer = await CheckpointTokenizer.open(fixture(kind));
  });

  test('encodes what a user typed as the reference does', () => {
    // The one difference that is meant: the reference's Unigram makes `<s>` of a typed `<s>`.
    const same = rows.filter(({ text }) => !(kind === 'unigram' && /^<\/?s>$/.test(text)));
    const found = same.map(({ text }) => ({ text, typed: tokenizer.encode(text, true) }));
    expect(found).toEqual(same.map(({ text, typed }) => ({ text, typed })));
  });

  test('finds special tokens in trusted text', () => {
    const found = rows.map(({ text }) => ({ text, trusted: encoder.encode(text, [], false) }));
    expect(found).toEqual(rows.map(({ text, trusted }) => ({ text, trusted })));
  });

  test('writes the text back', () => {
    const table = new TokenTable(tokenizer.summary().table);
    expect(rows.map(({ typed }) => detokenize(table, typed))).toEqual(rows.map(({ decoded }) => decoded));
  });

  test('never makes a special token from text', () => {
    const special = new Set(
      encoder.addedTokens.filter((token) => token.special && token.content !== '<unk>').map((token) => token.id),
    );
    const contents = encoder.addedTokens.filter((token) => token.special).map((token) => token.content);
    expect(contents.length).toBeGreaterThanOrEqual(3);
    for (const content of contents) {
      for (const text of [content, ` ${content}`, `${content}${content}`, `a${content}b`, `${content}\n`]) {
        expect(tokenizer.encode(text, false).filter((id) => special.has(id))).toEqual([]);
      }
    }
  });
});
