import { mkdtempSync, rmSync, copyFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { detokenize } from '../../../src/tokenization/detokenizer.js';
import { TokenizerPool } from '../../../src/tokenization/tokenizer-pool.js';
import { fixture } from './fixture.js';

const hooks = new URL('./typescript-hooks.mjs', import.meta.url).href;
const register = `import { register } from 'node:module'; register(${JSON.stringify(hooks)});`;
const execArgv = ['--import', `data:text/javascript,${encodeURIComponent(register)}`];

const source = { digest: 'sentencepiece', folder: fixture('sentencepiece') };
let pool: TokenizerPool;
beforeAll(() => {
  pool = new TokenizerPool({ workers: 1, timeoutMs: 700, maxBytes: 3_000_000, execArgv });
});
afterAll(() => pool.close());

test('encodes on a worker, and gives this thread a table to decode with', async () => {
  const [tokenizer, [tokens]] = await Promise.all([
    pool.tokenizer(source),
    pool.encode(source, ['The quick brown fox'], true),
  ]);
  expect(tokenizer.bosId).toBeNull();
  expect(tokenizer.hasChatTemplate).toBe(false);
  expect(detokenize(tokenizer.table, tokens!)).toBe('The quick brown fox');
});

test('ends a job past its deadline; what waited behind it is served', async () => {
  const slow = pool.encode(source, ['a'.repeat(2_000_000)], true);
  const behind = pool.encode(source, ['Hello'], true);
  await expect(slow).rejects.toMatchObject({ code: 'tokenization_timeout', status: 400 });
  await expect(behind).resolves.toHaveLength(1);
});

test('a hostile chat template is ended as well', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-pool-'));
  copyFileSync(join(fixture('byte-level'), 'tokenizer.json'), join(folder, 'tokenizer.json'));
  writeFileSync(
    join(folder, 'chat_template.jinja'),
    '{% for i in range(3000) %}{% for j in range(3000) %}{% set x = j %}{% endfor %}{% endfor %}',
  );
  const hostile = { digest: 'hostile', folder };
  const options = { addGenerationPrompt: true, variables: {} };
  await expect(pool.encodeChat(hostile, [], options)).rejects.toMatchObject({ code: 'tokenization_timeout' });
  rmSync(folder, { recursive: true });
});

test('too many bytes are refused before any work', async () => {
  await expect(pool.encode(source, ['é'.repeat(1_000_000), 'é'.repeat(500_001)], true)).rejects.toMatchObject({
    code: 'prompt_too_large',
    status: 413,
    details: { bytes: 3_000_002, maxBytes: 3_000_000 },
  });
});

test("a template's variables count as well", async () => {
  const options = { addGenerationPrompt: true, variables: { notes: [{ long: 'é'.repeat(1_500_001) }] } };
  await expect(pool.encodeChat(source, [], options)).rejects.toMatchObject({ code: 'prompt_too_large' });
});

test("a worker's errors keep their code", async () => {
  const missing = { digest: 'missing', folder: fixture('.') };
  await expect(pool.tokenizer(missing)).rejects.toMatchObject({ code: 'unsupported_tokenizer' });
  await expect(pool.encodeChat(source, [], { addGenerationPrompt: true, variables: {} })).rejects.toMatchObject({
    code: 'chat_template_missing',
  });
});
