import type { Command } from 'commander';
import { auditEntrySchema, type AuditEntryDto } from '../../registry/audit/audit.dto.js';
import { wholeNumber } from '../arguments.js';
import { session } from '../session.js';
import { columns, harmless, print, type Terminal } from '../terminal.js';
import { shortTime, since } from '../times.js';

interface AuditOptions {
  action?: string;
  by?: string;
  since?: string;
  until?: string;
  request?: string;
  most: number;
  export?: boolean;
}

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description('what was changed, by whom and when, the newest first')
    .argument('[node]', 'changes of this node alone')
    .option('--action <action>', 'as node.move; or the beginning of several, as node.')
    .option('--by <key>', 'name or id of a key')
    .option('--since <time>', 'a date, or how long ago, as 12h', since)
    .option('--until <time>', 'a date, or how long ago', since)
    .option('--request <id>', 'changes of this request alone')
    .option('--most <n>', 'how many to show at the most', wholeNumber(1), 50)
    .option('--export', 'all of them as lines of JSON, the oldest first')
    .action(async (node: string | undefined, options: AuditOptions, command: Command) => {
      const { api, terminal } = session(command);
      const { action, by, since: from, until, request, most } = options;
      const given = Object.entries({ node, action, key: by, from, to: until, request });
      const query = new URLSearchParams(given.filter((each): each is [string, string] => each[1] !== undefined));
      if (options.export === true) {
        const { body } = await api.read('GET', `/api/v1/audit/export?${query.toString()}`);
        for await (const chunk of body) await terminal.writeBytes(chunk);
        return;
      }
      const { data } = await api.list(`/api/v1/audit?${query.toString()}`, auditEntrySchema, most);
      print(terminal, data, () => columns(data.map((entry) => row(entry, terminal.paint))) || 'Nothing was changed.');
    });
}

function row(entry: AuditEntryDto, paint: Terminal['paint']): string[] {
  const changed = Object.entries(entry.after ?? {}).filter(([name, value]) => !same(value, entry.before?.[name]));
  return [
    paint('dim', `#${entry.sequence}`),
    shortTime(entry.at),
    harmless(entry.key.name),
    paint('bold', entry.action),
    entry.path ?? '',
    changed.map(([name, value]) => `${name} ${change(entry.before?.[name], value)}`).join(', '),
  ];
}

function change(before: unknown, after: unknown): string {
  return before === undefined ? short(after) : `${short(before)} → ${short(after)}`;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function short(value: unknown): string {
  const text = harmless(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('\n', ' ');
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
