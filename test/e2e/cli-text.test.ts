/** `espalier run` and `score` against the real service. */
import { jest } from '@jest/globals';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cli } from './support/cli.js';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Each command is a process of its own, and machines that run tests are slow.
jest.setTimeout(300_000);

let tree: SmallTree;
let cli: Cli;
beforeAll(async () => {
  tree = await startWithSmallTree();
  cli = new Cli(tree);
}, 130_000);
afterAll(() => tree.service.remove());

it('streams, and gives the same text for the same seed', async () => {
  const args = ['run', 'story/french', 'Le capitaine', '--max-tokens', '12', '--seed', '7'];
  const text = await cli.print(...args);
  expect(text.trim()).not.toBe('');
  expect(await cli.print(...args)).toBe(text);
  const answer = await cli.json<{ choices: { text: string }[]; usage: object }>(...args);
  expect(answer.choices[0]!.text).toBe(text.slice(0, -1));
  expect(answer.usage).toMatchObject({ completion_tokens: 12 });
  const piped = await cli.run([...args.slice(0, 2), '-', ...args.slice(3)], { stdin: 'Le capitaine' });
  expect(piped.stdout).toBe(text);
});

it('ends at Ctrl-C, and takes the row out of the engine', async () => {
  const child = cli.start(['run', 'story/french', 'Le capitaine', '--max-tokens', '400', '--temperature', '1']);
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  await once(child.stdout!, 'data');
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(130);
  expect(errors).toBe('error Cancelled.\n');
  // The test's own limit ends this if the row never leaves.
  for (;;) {
    const { body } = await tree.service.call<string>('/metrics');
    if (/^espalier_engine_rows_running 0$/m.test(body)) break;
    await sleep(100);
  }
});

it('scores a text under several paths, the likeliest first', async () => {
  const text = 'Le capitaine regardait la mer.';
  const { data } = await cli.json<{ data: { model: string; perplexity: number; tokens: number }[] }>(
    ...['score', 'story', 'story/french', 'story/french/verne', '--text', text],
  );
  expect(data.map(({ model }) => model)).toEqual(['story', 'story/french', 'story/french/verne']);
  expect(data.every(({ tokens }) => tokens > 0)).toBe(true);
  const drawn = await cli.run(['score', 'story', 'story/french', '--file', '-'], { stdin: text });
  const perplexities = drawn.stdout
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((row) => Number(row.split(/ +/)[1]));
  expect(perplexities).toEqual([...perplexities].sort((a, b) => a - b));
  expect(perplexities).toHaveLength(2);
});
