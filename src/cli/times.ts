/** Times as people write and read them. */
import { InvalidArgumentError } from 'commander';

const UNITS = { s: 1, m: 60, h: 3600, d: 24 * 3600, w: 7 * 24 * 3600 } as const;

/** `90s`, `15m`, `12h`, `30d`, `2w`, or a number of seconds. */
export function seconds(text: string): number {
  const match = /^(\d+)([smhdw]?)$/.exec(text);
  if (!match) throw new InvalidArgumentError('It must be a time, as 90s, 15m, 12h, 30d or 2w.');
  const unit = match[2] === '' ? 's' : (match[2] as keyof typeof UNITS);
  return Number(match[1]) * UNITS[unit];
}

/** A date, a date with a time, or how long from now (`back`: ago), as an ISO time. */
function moment(text: string, sign: 1 | -1, now: number): string {
  const at = /^\d+[smhdw]$/.test(text) ? now + sign * seconds(text) * 1000 : Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('It must be a date, as 2030-01-31, or a time, as 12h or 30d.');
  return new Date(at).toISOString();
}

export const from = (text: string): string => moment(text, 1, Date.now());
export const since = (text: string): string => moment(text, -1, Date.now());

/** To the minute, in the reader's own time zone. */
export function shortTime(iso: string | null): string {
  if (iso === null) return '';
  const at = new Date(iso);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
