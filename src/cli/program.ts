/** The command line as a whole. */
import { Command } from 'commander';
import { createRequire } from 'node:module';
import { EXIT } from './exit-code.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

type Add = (program: Command) => void;

/** Of each group, as `--help` shows them: the names of commands that are declared together, and where they are. */
const GROUPS: [title: string, ...declared: [names: string, load: () => Promise<Add>][]][] = [
  [
    'Serving:',
    ['serve', async () => (await import('./commands/serve.js')).addServe],
    ['run', async () => (await import('./commands/run.js')).addRun],
    ['score', async () => (await import('./commands/score.js')).addScore],
    ['merge unmerge merges', async () => (await import('./commands/merges.js')).addMerges],
  ],
  [
    'Looking:',
    ['tree', async () => (await import('./commands/tree.js')).addTree],
    ['search', async () => (await import('./commands/search.js')).addSearch],
    ['resolve', async () => (await import('./commands/resolve.js')).addResolve],
    ['show', async () => (await import('./commands/show.js')).addShow],
    ['compare', async () => (await import('./commands/compare.js')).addCompare],
    ['stale', async () => (await import('./commands/stale.js')).addStale],
    ['lineage', async () => (await import('./commands/lineage.js')).addLineage],
  ],
  [
    'Adapters:',
    ['push', async () => (await import('./commands/push.js')).addPush],
    ['pull export', async () => (await import('./commands/pull.js')).addPull],
    ['revisions history promote rollback', async () => (await import('./commands/revisions.js')).addRevisions],
    ['alias', async () => (await import('./commands/alias.js')).addAlias],
    ['tag', async () => (await import('./commands/show.js')).addTag],
    ['recall unrecall repin', async () => (await import('./commands/recall.js')).addRecall],
  ],
  [
    'Trees:',
    ['models', async () => (await import('./commands/models.js')).addModels],
    ['nodes', async () => (await import('./commands/nodes.js')).addNodes],
    ['redirects', async () => (await import('./commands/redirects.js')).addRedirects],
  ],
  [
    'Administration:',
    ['keys', async () => (await import('./commands/keys.js')).addKeys],
    ['audit', async () => (await import('./commands/audit.js')).addAudit],
    ['gc', async () => (await import('./commands/gc.js')).addGc],
  ],
  [
    'This command line:',
    ['config', async () => (await import('./commands/config.js')).addConfig],
    ['completion', async () => (await import('./commands/completion.js')).addCompletion],
  ],
];

/** Global options that take the next word. */
const WITH_VALUE = new Set(['--url', '--key', '--profile', '--config']);

const AFTER_HELP = `
URL and key come from --url and --key, else from ESPALIER_URL and ESPALIER_KEY, else from the configuration file
(--config, ESPALIER_CONFIG, else $XDG_CONFIG_HOME/espalier/config.json; 'espalier config show' tells what holds), else
http://127.0.0.1:8100 and the key that the service wrote into its data folder (ESPALIER_DATA, else ./data).
NO_COLOR turns colour off. Ctrl-C cancels what runs, at the service too.

Exit codes:
  ${EXIT.ok}    done
  ${EXIT.failed}    the service refused or failed
  ${EXIT.usage}    the command line makes no sense, or names a file that can't be read or would be overwritten
  ${EXIT.unreachable}    nothing answers at the URL, or the connection broke
  ${EXIT.denied}    no key, or not enough of one
  ${EXIT.notFound}    there is no such model, node, revision or path
  ${EXIT.conflict}    somebody changed it since the version given with --if-version
  ${EXIT.later}    overloaded, over the key's rate, or without database: try again later
  ${EXIT.cancelled}  cancelled by Ctrl-C`;

/**
 * `words`: the command line without the program's name. Only the command that it names is loaded, for all of them would take
 * half as long as most commands run; without one, or for a name that isn't known, all are.
 *
 * `json`: mistakes on the command line are left to who catches them, instead of written as text.
 */
export async function createProgram(words: readonly string[] = [], json = false): Promise<Command> {
  const program = new Command('espalier')
    .description('A registry and server of LoRA adapters that are kept as a tree.')
    .version(version)
    .option('--url <url>', 'of the service')
    .option('--key <key>', 'API key; - reads it from standard input')
    .option('--profile <name>', 'of the configuration file')
    .option('--config <file>', 'configuration file')
    .option('--json', 'print results, and errors, as JSON')
    .option('-q, --quiet', 'no progress and no warnings')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', AFTER_HELP)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride();
  if (json) program.configureOutput({ writeErr: () => undefined });
  const named = commandNamed(words);
  const isNamed = ([names]: [string, ...unknown[]]): boolean => names.split(' ').includes(named ?? '');
  const known = GROUPS.some(([, ...declared]) => declared.some(isNamed));
  for (const [title, ...declared] of GROUPS) {
    program.commandsGroup(title);
    for (const [, load] of known ? declared.filter(isNamed) : declared) (await load())(program);
  }
  return program;
}

function commandNamed(words: readonly string[]): string | undefined {
  return words.find((word, i) => !word.startsWith('-') && !WITH_VALUE.has(words[i - 1] ?? ''));
}
