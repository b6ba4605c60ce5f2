import type { Command } from 'commander';
import { foundNodeSchema, type FoundNodeDto } from '../../registry/search/search.dto.js';
import { repeated, wholeNumber } from '../arguments.js';
import { session } from '../session.js';
import { columns, firstLine, harmless, print, type Terminal } from '../terminal.js';
import { since, shortTime } from '../times.js';

interface SearchOptions {
  tag?: string[];
  metric?: string[];
  stale?: boolean;
  since?: string;
  until?: string;
  under?: string;
  archived?: boolean;
  sort: string;
  desc?: boolean;
  most: number;
}

export function addSearch(program: Command): void {
  program
    .command('search')
    .description('find nodes by words, tags, metrics, staleness and age; all that is given must hold')
    .argument('[words...]', 'each begins a word of the name or description, or of a message or card of its revisions')
    .option('--tag <tag>', 'of the node or of one of its revisions; several times for several', repeated)
    .option('--metric <range>', 'of the head, as eval_loss:0.1..0.5 or eval_loss:..0.5; several times', repeated)
    .option('--stale', 'whose parent moved on')
    .option('--no-stale', 'whose parent did not')
    .option('--since <time>', 'created since: a date, or how long ago, as 30d', since)
    .option('--until <time>', 'created before: a date, or how long ago', since)
    .option('--under <node>', 'at and below this node')
    .option('--archived', 'also what was archived')
    .option('--sort <order>', 'name, createdAt, updatedAt, or metric:<name>', 'name')
    .option('--desc', 'the other way round')
    .option('--most <n>', 'how many to show at the most', wholeNumber(1), 50)
    .action(async (words: string[], options: SearchOptions, command: Command) => {
      const { api, terminal } = session(command);
      const { data, nextCursor } = await api.list(
        `/api/v1/search?${query(words, options)}`,
        foundNodeSchema,
        options.most,
      );
      print(terminal, data, () => columns(data.map((node) => row(node, terminal.paint))) || 'Nothing is like that.');
      if (nextCursor !== null) terminal.note(`There are more than ${options.most}: --most shows them.`);
    });
}

function query(words: readonly string[], options: SearchOptions): string {
  const { tag = [], metric = [], stale, since: after, until, under, archived, sort, desc } = options;
  const given: [string, string | undefined][] = [
    ['text', words.length === 0 ? undefined : words.join(' ')],
    ...tag.map((each): [string, string] => ['tag', each]),
    ...metric.map((each): [string, string] => ['metric', each]),
    ['stale', stale === undefined ? undefined : String(stale)],
    ['createdAfter', after],
    ['createdBefore', until],
    ['under', under],
    ['archived', String(archived === true)],
    ['sort', sort],
    ['order', desc === true ? 'desc' : 'asc'],
  ];
  return new URLSearchParams(given.filter((each): each is [string, string] => each[1] !== undefined)).toString();
}

function row(node: FoundNodeDto, paint: Terminal['paint']): string[] {
  const metrics = Object.entries(node.metrics).map(([name, value]) => `${name} ${value}`);
  return [
    paint('bold', node.path),
    node.head ? `@${node.head.number}` : '',
    [...(node.stale ? [paint('yellow', 'stale')] : []), ...(node.archived ? [paint('dim', 'archived')] : [])].join(
      ', ',
    ),
    node.tags.join(', '),
    harmless(metrics.join(', ')),
    shortTime(node.createdAt),
    firstLine(node.description),
  ];
}
