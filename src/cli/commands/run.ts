import type { Command } from 'commander';
import { z } from 'zod';
import { numberFrom, readText, wholeNumber } from '../arguments.js';
import { completionTexts } from '../completion-stream.js';
import { session } from '../session.js';
import { harmless, print } from '../terminal.js';

interface RunOptions {
  maxTokens: number;
  temperature?: number;
  topP?: number;
  seed?: number;
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('generate text along a path, and write it as it comes; Ctrl-C cancels')
    .argument('<path>', 'as storyteller/french:0.8/verne')
    .argument('<prompt>', 'the text to go on from; - reads standard input')
    .option('--max-tokens <n>', 'how many tokens at the most', wholeNumber(1), 128)
    .option('--temperature <t>', '0 is greedy', numberFrom(0))
    .option('--top-p <p>', 'nucleus sampling', numberFrom(0))
    .option('--seed <n>', 'the same text again, as far as that can be had', wholeNumber(0))
    .action(async (path: string, prompt: string, options: RunOptions, command: Command) => {
      const { api, terminal } = session(command, 'infer');
      const body = {
        model: path,
        prompt: prompt === '-' ? readText('-') : prompt,
        max_tokens: options.maxTokens,
        temperature: options.temperature,
        top_p: options.topP,
        seed: options.seed,
      };
      if (terminal.json) {
        print(terminal, await api.post('/v1/completions', body, z.looseObject({})), () => '');
        return;
      }
      const events = await api.read('POST', '/v1/completions', { body: { ...body, stream: true } });
      try {
        for await (const text of completionTexts(events.body))
          terminal.write(process.stdout.isTTY ? harmless(text) : text);
      } finally {
        // Also where it was cut: what was written so far ends in the middle of a line.
        terminal.write('\n');
      }
    });
}
