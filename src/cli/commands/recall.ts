import type { Command } from 'commander';
import { recallSchema, type RecallDto } from '../../registry/recall/recall.dto.js';
import { repinnedSchema } from '../../registry/repin/repin.dto.js';
import { revision } from '../arguments.js';
import { ifVersion, nodeRoute, session } from '../session.js';
import { columns, print, type Terminal } from '../terminal.js';

interface RecallOptions {
  reason: string;
  fallback?: number | string;
  ifVersion?: number;
}

interface RepinOptions {
  revision?: number | string;
  trainedOn?: number | string;
  message?: string;
  ifVersion?: number;
}

export function addRecall(program: Command): void {
  program
    .command('recall')
    .description('take a bad revision out of service everywhere, at once, pinned children included')
    .argument('<path>')
    .argument('<revision>', 'its number or id', revision)
    .requiredOption('--reason <text>', 'for people; kept with the revision and in the audit log')
    .option('--fallback <revision>', 'what stands in for it, or none; left out, what a rollback leads to', revision)
    .addOption(ifVersion())
    .action(async (path: string, which: number | string, options: RecallOptions, command: Command) => {
      const { api, terminal } = session(command);
      const fallback = options.fallback === 'none' ? null : options.fallback;
      const body = { revision: which, reason: options.reason, fallback };
      const recall = await api.post(nodeRoute(path, '/recall'), body, recallSchema, options);
      print(terminal, recall, () => drawRecall(recall, terminal.paint));
    });

  program
    .command('unrecall')
    .description('put a recalled revision back into service; head and aliases stay where they are')
    .argument('<path>')
    .argument('<revision>', 'its number or id', revision)
    .addOption(ifVersion())
    .action(async (path: string, which: number | string, options: { ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const recall = await api.post(nodeRoute(path, '/unrecall'), { revision: which }, recallSchema, options);
      print(terminal, recall, () => `${recall.path}@${recall.revision.number} is in service.`);
    });

  program
    .command('repin')
    .description("accept a node's adapter on its parent's present head, after a check, as a new revision")
    .argument('<path>')
    .option('--revision <revision>', 'the one that was checked; left out, the head', revision)
    .option('--trained-on <revision>', "the parent's revision that it was checked on; left out, its head", revision)
    .option('--message <text>', 'kept with the revision')
    .addOption(ifVersion())
    .action(async (path: string, { ifVersion: version, ...body }: RepinOptions, command: Command) => {
      const { api, terminal } = session(command);
      const done = await api.post(nodeRoute(path, '/repin'), body, repinnedSchema, { ifVersion: version });
      print(terminal, done, () => {
        const what = `${done.path}@${done.number}, the adapter of @${done.repinOf}, on @${done.trainedOn?.number ?? '-'} of its parent`;
        if (done.outcome !== 'created')
          return `${what}: it is so already${done.promoted ? '; it is the head now' : ''}.`;
        return done.isHead ? `${what}, the head.` : `${what}. Promote it to serve it by default.`;
      });
    });
}

export function drawRecall(recall: RecallDto, paint: Terminal['paint']): string {
  const { path, revision: recalled, fallback, head, aliases, affected } = recall;
  const named = (number: number | null): string => (number === null ? 'nothing' : `@${number}`);
  const lines = [
    `${path}@${recalled.number} is recalled${recall.unchanged ? ' already' : ''}; ${named(fallback)} stands in for it.`,
    ...(head.before === head.after ? [] : [`The head was ${named(head.before)} and is ${named(head.after)}.`]),
    ...aliases.map(({ name, after }) => `${name} ${after === null ? 'was dropped' : `names @${after} now`}.`),
  ];
  if (affected.total === 0) return lines.join('\n');
  const rows = affected.children.map((child) => [
    `  ${paint('bold', `${child.path}@${child.revision}`)}`,
    child.isHead ? 'head' : '',
    `is served on ${named(child.servedOn)}`,
  ]);
  const more = affected.total - affected.children.length;
  return [
    ...lines,
    `${affected.total} ${affected.total === 1 ? 'revision' : 'revisions'} of child nodes stood on it:`,
    columns(rows),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join('\n');
}
