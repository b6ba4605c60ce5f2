import { Argument, Option, type Command } from 'commander';
import { nodeSchema, policySchema, type NodeDto } from '../../registry/dto/node.dto.js';
import { deletedNodeSchema } from '../../registry/places/removal.dto.js';
import { repeated } from '../arguments.js';
import { UsageError } from '../errors.js';
import { drawNode } from '../node-drawing.js';
import { ifVersion, nodeRoute, session } from '../session.js';
import { print } from '../terminal.js';

type Policy = NodeDto['policy'];

interface Versioned {
  ifVersion?: number;
}

export function addNodes(program: Command): void {
  const nodes = program.command('nodes').description('create, describe, tag and move nodes; switch them off and on');

  nodes
    .command('create')
    .alias('add')
    .description('make a node without a revision, which contributes nothing until one is pushed')
    .argument('<path>')
    .addOption(
      new Option('--policy <policy>', 'which revision of its parent it is served with').choices(policySchema.options),
    )
    .option('--description <text>')
    .option('--tag <tag>', 'several times for several', repeated)
    .action(
      async (path: string, options: { policy?: Policy; description?: string; tag?: string[] }, command: Command) => {
        const { api, terminal } = session(command);
        const { policy, description, tag } = options;
        const node = await api.post('/api/v1/nodes', { path, policy, description, tags: tag }, nodeSchema);
        print(terminal, node, () => `Created ${node.path}.`);
      },
    );

  nodes
    .command('show')
    .description('one node with all that is known of it')
    .argument('<path>')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.get(nodeRoute(path), nodeSchema);
      print(terminal, node, () => drawNode(node, terminal.paint));
    });

  nodes
    .command('move')
    .description('move a node, with all that is below it; the old path goes on as a redirect')
    .argument('<path>', 'where it is')
    .argument('<to>', 'where it goes, its name included')
    .option('--force', 'although that changes what it and the nodes below it serve')
    .addOption(ifVersion())
    .action(async (path: string, to: string, options: { force?: boolean } & Versioned, command: Command) => {
      const { api, terminal } = session(command);
      const body = { path: to, force: options.force === true };
      const node = await api.post(nodeRoute(path, '/move'), body, nodeSchema, options);
      print(terminal, node, () => `${path} is ${node.path} now${node.detached ? ', detached: push it again' : ''}.`);
    });

  nodes
    .command('policy')
    .description('serve a node with its pinned parent, or let it follow the head of its parent')
    .argument('<path>')
    .addArgument(new Argument('<policy>').choices(policySchema.options))
    .addOption(ifVersion())
    .action(async (path: string, policy: Policy, options: Versioned, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.patch(nodeRoute(path), { policy }, nodeSchema, options);
      print(terminal, node, () =>
        node.policy === 'follow' ? `${node.path} follows the head of its parent.` : `${node.path} is pinned.`,
      );
    });

  nodes
    .command('describe')
    .description('say what a node is for')
    .argument('<path>')
    .argument('<text>')
    .addOption(ifVersion())
    .action(async (path: string, description: string, options: Versioned, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.patch(nodeRoute(path), { description }, nodeSchema, options);
      print(terminal, node, () => `Described ${node.path}.`);
    });

  nodes
    .command('tag')
    .description('give a node tags, or take them away with --remove')
    .argument('<path>')
    .argument('[tags...]', 'added to those that it has')
    .option('--remove <tag>', 'several times for several', repeated)
    .addOption(ifVersion())
    .action(async (path: string, added: string[], options: { remove?: string[] } & Versioned, command: Command) => {
      const { remove = [] } = options;
      if (added.length + remove.length === 0) throw new UsageError('Name tags to add, or some to --remove.');
      const { api, terminal } = session(command);
      const { tags, version } = await api.get(nodeRoute(path), nodeSchema);
      const next = [...tags, ...added].filter((tag) => !remove.includes(tag));
      // Nobody else's tags get lost: the change holds for what was read alone.
      const expected = { ifVersion: options.ifVersion ?? version };
      const node = await api.patch(nodeRoute(path), { tags: next }, nodeSchema, expected);
      print(terminal, node, () => `${node.path} has ${node.tags.length === 0 ? 'no tags' : node.tags.join(', ')}.`);
    });

  nodes
    .command('delete')
    .description('delete a node; it can come back until garbage collection has taken its revisions')
    .argument('<path>')
    .option('--recursive', 'with all that is below it')
    .option('--force', 'although nodes that were moved away by force were trained on it')
    .addOption(ifVersion())
    .action(async (path: string, options: { recursive?: boolean; force?: boolean } & Versioned, command: Command) => {
      const { api, terminal } = session(command);
      const query = `?recursive=${options.recursive === true}&force=${options.force === true}`;
      const gone = await api.delete(nodeRoute(path, query), deletedNodeSchema, options);
      print(terminal, gone, () => {
        const what = gone.nodes === 1 ? gone.path : `${gone.path} and ${gone.nodes - 1} below it`;
        return `Deleted ${what}. Brings it back: espalier nodes undelete ${gone.id}`;
      });
    });

  nodes
    .command('undelete')
    .description('bring a deleted node back to where it was, with what was deleted with it')
    .argument('<id>', 'as its deletion told it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.post(nodeRoute(id, '/undelete'), undefined, nodeSchema);
      print(terminal, node, () => `${node.path} is back.`);
    });

  const states = [
    ['disable', 'stop serving a node and all that is below it', 'is disabled, with all that is below it'],
    ['enable', 'serve it again', 'is enabled'],
    ['pin', "keep the adapter of a node's head in host memory", 'is pinned: the adapter of its head stays in memory'],
    ['unpin', 'let it leave memory where others need the room', 'is no longer pinned in memory'],
    ['archive', 'put a node away, with all that is below it', 'is archived, with all that is below it'],
    ['restore', 'bring an archived node back', 'is back'],
  ] as const;
  for (const [verb, description, done] of states) {
    nodes
      .command(verb)
      .description(description)
      .argument('<path>')
      .addOption(ifVersion())
      .action(async (path: string, options: Versioned, command: Command) => {
        const { api, terminal } = session(command);
        const node = await api.post(nodeRoute(path, `/${verb}`), undefined, nodeSchema, options);
        print(terminal, node, () => `${node.path} ${done}.`);
      });
  }
}
