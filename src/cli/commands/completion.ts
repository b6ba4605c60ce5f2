import { Argument, type Command } from 'commander';
import { ApiClient } from '../api-client.js';
import { completionScript, FILES, SHELLS, suggestionLines, type Shell } from '../completion-scripts.js';
import { connect } from '../connection.js';
import { nodeSuggestions } from '../node-suggestions.js';
import { terminal } from '../terminal.js';
import { wanted, type Suggestion, type Wanted } from '../suggestions.js';
import { words } from '../words.js';

/** Nobody waits longer for a Tab. */
const PATIENCE_MS = 1500;

export function addCompletion(program: Command): void {
  const shell = (): Argument => new Argument('<shell>').choices(SHELLS);

  program
    .command('completion')
    .description('print a script that completes commands, options and the paths of nodes')
    .addArgument(shell())
    .addHelpText(
      'after',
      `
Put into ~/.bashrc:                   source <(espalier completion bash)
Put into ~/.zshrc, after compinit:    source <(espalier completion zsh)
Put into ~/.config/fish/config.fish:  espalier completion fish | source`,
    )
    .action((chosen: Shell) => {
      const script = completionScript(chosen, [process.execPath, process.argv[1] ?? 'espalier']);
      terminal({}).write(`${script}\n`);
    });

  program
    .command('complete', { hidden: true })
    .addArgument(shell())
    .argument('[words...]')
    .action(async (chosen: Shell, given: string[]) => {
      const line = chosen === 'bash' ? bashWords(process.env) : given;
      const want = wanted(program, line);
      if (want.kind === 'files') {
        process.exitCode = FILES;
        return;
      }
      const lines = suggestionLines(
        chosen,
        await suggestions(want, line),
        line.at(-1) ?? '',
        process.env['COMP_WORDBREAKS'],
      );
      terminal({}).write(lines.map((each) => `${each}\n`).join(''));
    });
}

/** Bash tells the whole line and the place of the cursor. */
function bashWords(env: NodeJS.ProcessEnv): string[] {
  const line = env['COMP_LINE'] ?? '';
  return words(line.slice(0, Number(env['COMP_POINT'] ?? line.length))).slice(1);
}

async function suggestions(want: Exclude<Wanted, { kind: 'files' }>, line: readonly string[]): Promise<Suggestion[]> {
  if (want.kind === 'these') return want.suggestions;
  try {
    const flags = {
      url: flag(line, '--url'),
      key: flag(line, '--key'),
      profile: flag(line, '--profile'),
      config: flag(line, '--config'),
    };
    const api = new ApiClient(connect(flags, 'admin'), AbortSignal.timeout(PATIENCE_MS));
    const found = await nodeSuggestions(api, want.prefix);
    return found.map(({ value, description }) => ({ value: want.before + value, description }));
  } catch {
    // Without a service, or a key for it, there is nothing to suggest; a Tab is no place for an error.
    return [];
  }
}

/** The value of a flag on a line that is being written; `-` would wait for standard input. */
function flag(line: readonly string[], name: string): string | undefined {
  const i = line.indexOf(name);
  const value = i === -1 ? line.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) : line[i + 1];
  return value === '-' || value === '' ? undefined : value;
}
