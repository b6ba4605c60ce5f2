import type { Command } from 'commander';
import { headMoveSchema } from '../../registry/history/history.dto.js';
import { nodeSchema } from '../../registry/dto/node.dto.js';
import { revisionSchema, type RevisionDto } from '../../registry/dto/revision.dto.js';
import { revision, wholeNumber } from '../arguments.js';
import { ifVersion, nodeRoute, session } from '../session.js';
import { columns, firstLine, harmless, megabytes, print, type Terminal } from '../terminal.js';
import { shortTime } from '../times.js';

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
          marks(each, terminal.paint),
          firstLine(each.message ?? ''),
        ]);
        return columns(rows) || `${path} has no revisions yet.`;
      });
    });

  program
    .command('history')
    .description('how the head of a node has moved, newest first')
    .argument('<path>')
    .option('--most <n>', 'how many moves to show at the most', wholeNumber(1), 100)
    .action(async (path: string, { most }: { most: number }, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list(nodeRoute(path, '/history'), headMoveSchema, most);
      print(terminal, data, () => {
        const rows = data.map(({ at, reason, revision: to, before, by }) => [
          shortTime(at),
          `${before === null ? 'nothing' : `@${before}`} → ${to ? `@${to.number}` : 'nothing'}`,
          reason,
          harmless(by?.keyName ?? ''),
          to?.recalled === true ? terminal.paint('red', 'recalled') : '',
        ]);
        return columns(rows) || `${path} has had no head yet.`;
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

function marks({ isHead, recalled }: RevisionDto, paint: Terminal['paint']): string {
  if (recalled) return paint('red', `recalled${recalled.fallback === null ? '' : `, @${recalled.fallback} instead`}`);
  return isHead ? paint('green', 'head') : '';
}
