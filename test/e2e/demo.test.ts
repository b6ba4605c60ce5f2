/** What a stranger meets first: the start of an empty data folder, the line that it prints, and a tree that works. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointTokenizer } from '../../src/tokenization/checkpoint-tokenizer.js';
import { REPOSITORY, TestService } from './support/service.js';

const STORYTELLER = join(REPOSITORY, 'examples/storyteller');

let service: TestService;
beforeAll(async () => {
  service = await TestService.start({ demo: true });
}, 180_000);
afterAll(() => service.remove());

it('prints a line that streams text when it is pasted into a shell as it is', () => {
  const line = service.output.split('\n').find((text) => text.trim().startsWith('curl ')) ?? '';
  expect(line).toContain('storyteller/french/verne');
  // From another folder, and with nothing in the environment that the line could lean on.
  const run = spawnSync('sh', ['-c', line], { cwd: '/', env: { PATH: process.env['PATH'] }, encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const events = run.stdout.split('\n\n').filter((event) => event.startsWith('data: {'));
  expect(events.length).toBeGreaterThan(5);
  expect(run.stdout.trimEnd()).toMatch(/data: \[DONE\]$/);
}, 60_000);

describe('held-out text', () => {
  /** Node → the excerpt of its own text. */
  const EXCERPTS: Record<string, string> = {
    'storyteller/french': 'french',
    'storyteller/german': 'german',
    'storyteller/spanish': 'spanish',
    'storyteller/doyle': 'doyle',
    'storyteller/french/verne': 'verne',
    'storyteller/german/kafka': 'kafka',
    'storyteller/spanish/galdos': 'galdos',
  };
  const END_OF_TEXT = 0;
  const PIECE_TOKENS = 511;

  /** The excerpt as the evaluation cuts it: pieces of 511 tokens. */
  async function pieces(excerpt: string): Promise<number[][]> {
    const tokenizer = await CheckpointTokenizer.open(join(STORYTELLER, 'base'));
    const ids = tokenizer.encode(readFileSync(join(STORYTELLER, 'heldout', `${excerpt}.txt`), 'utf8'), false);
    const count = Math.ceil(ids.length / PIECE_TOKENS);
    return Array.from({ length: count }, (_, i) => ids.slice(i * PIECE_TOKENS, (i + 1) * PIECE_TOKENS));
  }

  /** Mean negative log-likelihood of a token, for each path. */
  async function meanNll(models: string[], windows: number[][]): Promise<number[]> {
    const sums = models.map(() => 0);
    for (const continuation of windows) {
      const { status, body } = await service.call<{ data: { log_likelihood: number }[] }>('/v1/score', {
        json: { models, prompt: [END_OF_TEXT], continuation },
      });
      expect(status).toBe(200);
      body.data.forEach(({ log_likelihood }, i) => (sums[i]! -= log_likelihood));
    }
    return sums.map((sum) => sum / windows.flat().length);
  }

  /** A cell of the table that the evaluation in Python wrote, from transformers and PEFT. */
  function evaluated(excerpt: string, path: string): number {
    const [, table = ''] = readFileSync(join(STORYTELLER, 'train/perplexity.md'), 'utf8').split('## Mean NLL');
    const rows = table
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    const column = rows[0]!.indexOf(path);
    return Number(rows.find(([name]) => name === excerpt)![column]);
  }

  it.each(Object.keys(EXCERPTS))(
    '%s predicts its own better than its parent does',
    async (node) => {
      const parent = node.slice(0, node.lastIndexOf('/'));
      const [own, above] = await meanNll([node, parent], (await pieces(EXCERPTS[node]!)).slice(0, 2));
      expect(own!).toBeLessThan(above!);
    },
    60_000,
  );

  it('is as likely as transformers and PEFT say, on every level of a path', async () => {
    const paths = ['storyteller', 'storyteller/french', 'storyteller/french/verne'];
    const means = await meanNll(paths, await pieces('verne'));
    paths.forEach((path, i) => expect(means[i]!).toBeCloseTo(evaluated('verne', path), 4));
  }, 180_000);
});
