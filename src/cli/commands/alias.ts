import type { Command } from 'commander';
import { aliasSchema, setAliasSchema, type SetAliasDto } from '../../registry/aliases/alias.dto.js';
import { revision } from '../arguments.js';
import { ifVersion, nodeRoute, session } from '../session.js';
import { columns, print } from '../terminal.js';
import { shortTime } from '../times.js';

interface SetOptions {
  protected?: boolean;
  ifVersion?: number;
}

export function addAlias(program: Command): void {
  const alias = program.command('alias').description('movable names for revisions, as storyteller/french@production');

  alias
    .command('set')
    .description('make an alias, or move it to another revision')
    .argument('<path>')
    .argument('<name>', 'as production')
    .argument('<revision>', 'its number or id', revision)
    .option('--protected', 'it takes the scope promote to move it')
    .option('--no-protected', 'it takes write alone')
    .addOption(ifVersion())
    .action(async (path: string, name: string, which: number | string, options: SetOptions, command: Command) => {
      const { api, terminal } = session(command);
      const body = { revision: which, protected: options.protected };
      const set = await api.put(route(path, name), body, setAliasSchema, options);
      print(terminal, set, () => told(set));
    });

  alias
    .command('list')
    .description('the aliases of a node')
    .argument('<path>')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list(nodeRoute(path, '/aliases'), aliasSchema);
      print(terminal, data, () => {
        const rows = data.map((each) => [
          terminal.paint('bold', each.name),
          `@${each.revision.number}`,
          terminal.paint('dim', each.revision.digest.slice(0, 12)),
          each.protected ? 'protected' : '',
          shortTime(each.updatedAt),
        ]);
        return columns(rows) || `${path} has no aliases.`;
      });
    });

  alias
    .command('delete')
    .description('delete an alias')
    .argument('<path>')
    .argument('<name>')
    .addOption(ifVersion())
    .action(async (path: string, name: string, options: { ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const gone = await api.delete(route(path, name), aliasSchema, options);
      print(terminal, gone, () => `Deleted ${gone.name} of ${gone.path}, which named @${gone.revision.number}.`);
    });
}

function route(path: string, name: string): string {
  return nodeRoute(path, `/aliases/${encodeURIComponent(name)}`);
}

function told({ path, name, revision: { number }, before, outcome, protected: guarded }: SetAliasDto): string {
  const what = `${path}@${name} is @${number}${guarded ? ', protected' : ''}`;
  if (outcome === 'unchanged') return `${what} already.`;
  return before === null || before === number ? `${what}.` : `${what}; it was @${before}.`;
}
