import type { Command } from 'commander';
import { nodeSchema } from '../../registry/dto/node.dto.js';
import { revisionSchema } from '../../registry/dto/revision.dto.js';
import { revision } from '../arguments.js';
import { ifVersion, nodeRoute, session } from '../session.js';
import { columns, firstLine, megabytes, print } from '../terminal.js';

export function addRevisions(program: Command): void {
  program
    .command('revisions')
    .description('the revisions of a node')
    .argument('<path>')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list(nodeRoute(path, '/revisions'), revisionSchema);
      print(terminal, data, () => {
        const rows = data.map((each) => [
          `@${each.number}`,
          `rank ${each.rank}`,
          megabytes(each.bytes),
          each.trainedOn ? `on @${each.trainedOn.number}` : '',
          terminal.paint('dim', each.digest.slice(0, 12)),
          each.isHead ? terminal.paint('green', 'head') : '',
          firstLine(each.message ?? ''),
        ]);
        return columns(rows) || `${path} has no revisions yet.`;
      });
    });

  program
    .command('promote')
    .description('make a revision the head of its node')
    .argument('<path>')
    .argument('<revision>', 'its number or id', revision)
    .addOption(ifVersion())
    .action(async (path: string, which: number | string, options: { ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.post(nodeRoute(path, '/promote'), { revision: which }, nodeSchema, options);
      print(terminal, node, () => `${node.path} serves @${node.head?.number ?? '-'}.`);
    });

  program
    .command('rollback')
    .description('make the head before this one the head again')
    .argument('<path>')
    .addOption(ifVersion())
    .action(async (path: string, options: { ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const node = await api.post(nodeRoute(path, '/rollback'), undefined, nodeSchema, options);
      print(terminal, node, () => `${node.path} serves @${node.head?.number ?? '-'} again.`);
    });
}
