import type { Command } from 'commander';
import { revisionSchema, revisionWithCardSchema, type RevisionWithCardDto } from '../../registry/dto/revision.dto.js';
import { repeated } from '../arguments.js';
import { UsageError } from '../errors.js';
import { findRevision } from '../revision-lookup.js';
import { ifVersion, session } from '../session.js';
import { columns, harmless, megabytes, print, type Terminal } from '../terminal.js';
import { shortTime } from '../times.js';

export function addShow(program: Command): void {
  program
    .command('show')
    .description('one revision with all that is known of it, its card included')
    .argument('<path>', 'of a node, with @revision or @alias for another one than the head')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { id } = await findRevision(api, path);
      const revision = await api.get(`/api/v1/revisions/${id}`, revisionWithCardSchema);
      print(terminal, revision, () => drawRevision(revision, terminal.paint));
    });
}

export function addTag(program: Command): void {
  program
    .command('tag')
    .description('give a revision tags, or take them away with --remove')
    .argument('<path>', 'of a node, with @revision or @alias for another one than the head')
    .argument('[tags...]', 'added to those that it has')
    .option('--remove <tag>', 'several times for several', repeated)
    .addOption(ifVersion())
    .action(
      async (path: string, added: string[], options: { remove?: string[]; ifVersion?: number }, command: Command) => {
        const { remove = [] } = options;
        if (added.length + remove.length === 0) throw new UsageError('Name tags to add, or some to --remove.');
        const { api, terminal } = session(command);
        const { id, tags, version } = await findRevision(api, path);
        const next = [...tags, ...added].filter((tag) => !remove.includes(tag));
        // Nobody else's tags get lost: the change holds for what was read alone.
        const expected = { ifVersion: options.ifVersion ?? version };
        const revision = await api.put(`/api/v1/revisions/${id}/tags`, { tags: next }, revisionSchema, expected);
        print(terminal, revision, () => {
          const what = revision.tags.length === 0 ? 'no tags' : revision.tags.join(', ');
          return `${revision.path}@${revision.number} has ${what}.`;
        });
      },
    );
}

function drawRevision(revision: RevisionWithCardDto, paint: Terminal['paint']): string {
  const { recalled, source, metrics, tags, card } = revision;
  const targets = Object.entries(revision.targets);
  const rows: string[][] = [
    [
      'revision',
      `${paint('bold', `${revision.path}@${revision.number}`)}${revision.isHead ? paint('green', ', head') : ''}`,
    ],
    ['id', revision.id],
    ['digest', revision.digest],
    ['trained on', revision.trainedOn ? `@${revision.trainedOn.number} of its parent` : 'the base alone'],
    ['rank, modules, size', `${revision.rank}, ${targets.length}, ${megabytes(revision.bytes)}`],
    ['created', `${shortTime(revision.createdAt)}${revision.author === null ? '' : `, ${harmless(revision.author)}`}`],
    ['message', harmless(revision.message ?? '')],
    ['tags', tags.join(', ')],
    [
      'metrics',
      harmless(
        Object.entries(metrics)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      ),
    ],
    ['source', source ? `${source.hub}/${source.repo} at ${source.commit}` : ''],
    ['recalled', recalled ? paint('red', `${shortTime(recalled.at)}: ${harmless(recalled.reason ?? '')}`) : ''],
    ...revision.warnings.map((warning) => ['warning', paint('yellow', harmless(warning))]),
    ['version', String(revision.version)],
  ];
  const facts = columns(
    rows.filter(([, fact]) => fact !== '').map(([title = '', ...rest]) => [paint('dim', title), ...rest]),
  );
  return card === null || card === '' ? facts : `${facts}\n\n${harmless(card).trimEnd()}`;
}
