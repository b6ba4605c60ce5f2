/** The command line as a whole. */
import { Command } from 'commander';
import { createRequire } from 'node:module';
import { addAlias } from './commands/alias.js';
import { addAudit } from './commands/audit.js';
import { addCompare } from './commands/compare.js';
import { addCompletion } from './commands/completion.js';
import { addConfig } from './commands/config.js';
import { addGc } from './commands/gc.js';
import { addKeys } from './commands/keys.js';
import { addLineage } from './commands/lineage.js';
import { addMerges } from './commands/merges.js';
import { addModels } from './commands/models.js';
import { addNodes } from './commands/nodes.js';
import { addPull } from './commands/pull.js';
import { addPush } from './commands/push.js';
import { addRecall } from './commands/recall.js';
import { addRedirects } from './commands/redirects.js';
import { addResolve } from './commands/resolve.js';
import { addRevisions } from './commands/revisions.js';
import { addRun } from './commands/run.js';
import { addScore } from './commands/score.js';
import { addSearch } from './commands/search.js';
import { addServe } from './commands/serve.js';
import { addShow, addTag } from './commands/show.js';
import { addStale } from './commands/stale.js';
import { addTree } from './commands/tree.js';
import { EXIT } from './exit-code.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** As `--help` shows them. */
const GROUPS: [title: string, ...add: ((program: Command) => void)[]][] = [
  ['Serving:', addServe, addRun, addScore, addMerges],
  ['Looking:', addTree, addSearch, addResolve, addShow, addCompare, addStale, addLineage],
  ['Adapters:', addPush, addPull, addRevisions, addAlias, addTag, addRecall],
  ['Trees:', addModels, addNodes, addRedirects],
  ['Administration:', addKeys, addAudit, addGc],
  ['This command line:', addConfig, addCompletion],
];

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

/** `json`: mistakes on the command line are left to who catches them, instead of written as text. */
export function createProgram(json = false): Command {
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
  for (const [title, ...group] of GROUPS) {
    program.commandsGroup(title);
    for (const add of group) add(program);
  }
  return program;
}
