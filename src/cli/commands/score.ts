import type { Command } from 'commander';
import { z } from 'zod';
import { readText } from '../arguments.js';
import { UsageError } from '../errors.js';
import { session } from '../session.js';
import { columns, print } from '../terminal.js';

const scoreAnswer = z.looseObject({
  data: z.array(
    z.looseObject({ model: z.string(), log_likelihood: z.number(), tokens: z.number(), perplexity: z.number() }),
  ),
});

interface ScoreOptions {
  text?: string;
  file?: string;
  prompt?: string;
}

export function addScore(program: Command): void {
  program
    .command('score')
    .description('how likely a text is under one or several paths, the likeliest first')
    .argument('<path...>')
    .option('--text <text>', 'the text')
    .option('--file <file>', 'the text of a file; - reads standard input')
    .option('--prompt <text>', 'stands before the text and is not scored itself')
    .action(async (paths: string[], { text, file, prompt }: ScoreOptions, command: Command) => {
      if ((text === undefined) === (file === undefined)) throw new UsageError('Give either --text or --file.');
      const { api, terminal } = session(command, 'infer');
      const scored = text ?? readText(file ?? '-');
      const body = { models: paths, ...(prompt === undefined ? { text: scored } : { prompt, continuation: scored }) };
      const answer = await api.post('/v1/score', body, scoreAnswer);
      print(terminal, answer, ({ data }) => {
        const rows = data
          .toSorted((a, b) => a.perplexity - b.perplexity)
          .map((each) => [
            terminal.paint('bold', each.model),
            each.perplexity.toFixed(3),
            each.log_likelihood.toFixed(2),
            String(each.tokens),
          ]);
        return columns([
          ['path', 'perplexity', 'log-likelihood', 'tokens'].map((t) => terminal.paint('dim', t)),
          ...rows,
        ]);
      });
    });
}
