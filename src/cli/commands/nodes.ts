import { Argument, type Command } from 'commander';
import { nodeSchema, policySchema, type NodeDto } from '../../registry/dto/node.dto.js';
import { nodeRoute, session } from '../session.js';
import { print } from '../terminal.js';

type Policy = NodeDto['policy'];

export function addNodes(program: Command): void {
  const nodes = program.command('nodes').description('add, move, switch off and on');
  const policy = new Argument('<policy>', 'which revision of its parent it is served with').choices(
    policySchema.options,
  );

  nodes
    .command('add')
    .description('add a node without a revision, which contributes nothing until one is pushed')
    .argument('<path>')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command, 'admin');
      const node = await api.post('/api/v1/nodes', { path }, nodeSchema);
      print(terminal, node, () => `Added ${node.path}.`);
    });

  nodes
    .command('move')
    .description('move a node, with all that is below it')
    .argument('<path>', 'where it is')
    .argument('<to>', 'where it goes, its name included')
    .option('--force', 'although that changes what it and the nodes below it serve')
    .action(async (path: string, to: string, options: { force?: boolean }, command: Command) => {
      const { api, terminal } = session(command, 'admin');
      const body = { path: to, force: options.force === true };
      const node = await api.post(nodeRoute(path, '/move'), body, nodeSchema);
      print(terminal, node, () => `${path} is ${node.path} now${node.detached ? ', detached: push it again' : ''}.`);
    });

  nodes
    .command('policy')
    .description('serve a node with its pinned parent, or let it follow the head of its parent')
    .argument('<path>')
    .addArgument(policy)
    .action(async (path: string, chosen: Policy, _options: unknown, command: Command) => {
      const { api, terminal } = session(command, 'admin');
      const node = await api.patch(nodeRoute(path), { policy: chosen }, nodeSchema);
      print(terminal, node, () =>
        node.policy === 'follow' ? `${node.path} follows the head of its parent.` : `${node.path} is pinned.`,
      );
    });

  for (const [verb, done] of [
    ['disable', 'disabled, with all that is below it'],
    ['enable', 'enabled'],
  ] as const) {
    nodes
      .command(verb)
      .description(verb === 'disable' ? 'stop serving a node and all that is below it' : 'serve it again')
      .argument('<path>')
      .action(async (path: string, _options: unknown, command: Command) => {
        const { api, terminal } = session(command, 'admin');
        const node = await api.post(nodeRoute(path, `/${verb}`), undefined, nodeSchema);
        print(terminal, node, () => `${node.path} is ${done}.`);
      });
  }
}
