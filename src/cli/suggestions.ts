/**
 * What may stand where the cursor is, from commander's own tree: commands, options, choices; and, by the name of an
 * argument's placeholder, paths of the service's nodes or files of this machine.
 */
import type { Argument, Command, Option } from 'commander';

export interface Suggestion {
  value: string;
  description: string;
}

/** `nodes`: the paths that begin with `prefix`, after what stands before it in the word. `files`: the shell knows them. */
export type Wanted =
  { kind: 'these'; suggestions: Suggestion[] } | { kind: 'nodes'; prefix: string; before: string } | { kind: 'files' };

const NODES = new Set(['path', 'node', 'left', 'right', 'to', 'under', 'subtree']);
const FILES = new Set(['file', 'folder']);
const NOTHING: Wanted = { kind: 'these', suggestions: [] };

/** `words`: the command line without the program's name; the last one is at the cursor. */
export function wanted(program: Command, words: readonly string[]): Wanted {
  const current = words.at(-1) ?? '';
  let command = program;
  let operands = 0;
  let open: Option | null = null;
  let optionsEnded = false;
  for (const word of words.slice(0, -1)) {
    if (open) {
      open = null;
    } else if (word === '--') {
      optionsEnded = true;
    } else if (!optionsEnded && word.startsWith('-')) {
      const option = optionOf(command, word);
      open = option && takesValue(option) && !word.includes('=') ? option : null;
    } else {
      const next: Command | undefined = operands === 0 ? subcommand(command, word) : undefined;
      if (next) command = next;
      else operands++;
    }
  }
  if (open) return forValue(placeholder(open.flags), open.argChoices, current, '');
  if (!optionsEnded && current.startsWith('-')) return forOption(command, current);
  if (operands === 0 && command.commands.length > 0) return these(visible(command).map(described), current);
  const argument = argumentAt(command, operands);
  return argument ? forValue(argument.name(), argument.argChoices, current, '') : NOTHING;
}

function forOption(command: Command, current: string): Wanted {
  const [flag, value] = split(current, '=');
  if (value !== null) {
    const option = optionOf(command, flag);
    return option ? forValue(placeholder(option.flags), option.argChoices, value, `${flag}=`) : NOTHING;
  }
  const flags = [...ancestors(command)].flatMap((each) => each.createHelp().visibleOptions(each));
  const suggestions = flags.flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
  return these(suggestions, current);
}

function forValue(name: string, choices: readonly string[] | undefined, current: string, before: string): Wanted {
  if (choices) {
    return these(
      choices.map((value) => ({ value: before + value, description: '' })),
      before + current,
    );
  }
  if (NODES.has(name)) return { kind: 'nodes', prefix: current, before };
  return FILES.has(name) ? { kind: 'files' } : NOTHING;
}

function these(all: readonly Suggestion[], current: string): Wanted {
  const suggestions = all.filter(
    ({ value }, i) => value.startsWith(current) && all.findIndex((other) => other.value === value) === i,
  );
  return { kind: 'these', suggestions };
}

function visible(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

function described(command: Command): Suggestion {
  return { value: command.name(), description: command.description() };
}

function subcommand(command: Command, word: string): Command | undefined {
  return command.commands.find((each) => each.name() === word || each.aliases().includes(word));
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic === true ? last : undefined);
}

function optionOf(command: Command, word: string): Option | undefined {
  const [flag] = split(word, '=');
  for (const each of ancestors(command)) {
    const option = each.options.find(({ long, short }) => long === flag || short === flag);
    if (option) return option;
  }
  return undefined;
}

function* ancestors(command: Command): Generator<Command> {
  for (let each: Command | null = command; each; each = each.parent) yield each;
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** `--card <file>` → `file`. */
function placeholder(flags: string): string {
  return /[<[]([a-z-]+)/.exec(flags)?.[1] ?? '';
}

function split(text: string, at: string): [before: string, after: string | null] {
  const i = text.indexOf(at);
  return i === -1 ? [text, null] : [text.slice(0, i), text.slice(i + 1)];
}
