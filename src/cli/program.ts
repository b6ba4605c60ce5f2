/** The command line as a whole. */
import { Command } from 'commander';
import { createRequire } from 'node:module';
import { addModels } from './commands/models.js';
import { addNodes } from './commands/nodes.js';
import { addPush } from './commands/push.js';
import { addResolve } from './commands/resolve.js';
import { addRevisions } from './commands/revisions.js';
import { addRun } from './commands/run.js';
import { addScore } from './commands/score.js';
import { addServe } from './commands/serve.js';
import { addTree } from './commands/tree.js';
import { EXIT } from './exit-code.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const AFTER_HELP = `
Without --url and --key, commands talk to ESPALIER_URL (else http://127.0.0.1:8100) with the key in ESPALIER_KEY, or with
the one that the service wrote into its data folder (ESPALIER_DATA, else ./data). NO_COLOR turns colour off.

Exit codes: ${EXIT.ok} done, ${EXIT.failed} the service refused or failed, ${EXIT.usage} the command line makes no sense, ${EXIT.unreachable} nothing answers,
${EXIT.denied} no key or not enough of one, ${EXIT.notFound} no such thing, ${EXIT.cancelled} cancelled by Ctrl-C.`;

export function createProgram(): Command {
  const program = new Command('espalier')
    .description('A registry and server of LoRA adapters that are kept as a tree.')
    .version(version)
    .option('--url <url>', 'of the service')
    .option('--key <key>', 'API key')
    .option('--json', 'print results, and errors, as JSON')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', AFTER_HELP)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride();
  for (const add of [addServe, addModels, addPush, addTree, addResolve, addRevisions, addNodes, addRun, addScore]) {
    add(program);
  }
  return program;
}
