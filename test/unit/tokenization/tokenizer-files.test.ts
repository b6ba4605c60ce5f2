/** Files that no tokenizer should be built from. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointTokenizer } from '../../../src/tokenization/checkpoint-tokenizer.js';
import { buildTokenTable } from '../../../src/tokenization/token-table.js';
import { fixture } from './fixture.js';

interface TokenizerJson {
  added_tokens: object[];
  model: { vocab: Record<string, number> };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-tokenizer-'));
  cpSync(fixture('byte-level'), folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function change(edit: (json: TokenizerJson) => void): void {
  const file = join(folder, 'tokenizer.json');
  const json = JSON.parse(readFileSync(file, 'utf8')) as TokenizerJson;
  edit(json);
  writeFileSync(file, JSON.stringify(json));
}

test.each([4_000_000_000, 2_000_001])('an added token of the id %d is refused', async (id) => {
  change((json) => json.added_tokens.push({ id, content: '<far>' }));
  await expect(CheckpointTokenizer.open(folder)).rejects.toMatchObject({ code: 'unsupported_tokenizer' });
});

test('so is one of the vocabulary', async () => {
  change((json) => (json.model.vocab.far = 4_000_000_000));
  await expect(CheckpointTokenizer.open(folder)).rejects.toThrow('a token with the id 4000000000');
});

test.each(['4000000000', 'first', '-1', '1.5'])('so is the id "%s" in the config', async (id) => {
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ added_tokens_decoder: { [id]: { content: '<far>' } } }),
  );
  await expect(CheckpointTokenizer.open(folder)).rejects.toMatchObject({ code: 'unsupported_tokenizer' });
});

test('more added tokens than a call takes arguments are read', () => {
  const plain = { content: '<extra>', singleWord: false, lstrip: false, rstrip: false, special: true };
  const added = Array.from({ length: 200_000 }, (_, n) => ({ ...plain, id: 1 + n }));
  expect(buildTokenTable(folder, { type: 'ByteLevel' }, ['a'], added).special).toHaveLength(200_001);
});
