/** Where a command writes: results to stdout, everything else to stderr. Colour only on a terminal that wants it. */
import { styleText } from 'node:util';

export type Tone = 'dim' | 'bold' | 'red' | 'yellow' | 'green';

export interface Terminal {
  /** `--json`: results are one JSON value. */
  json: boolean;
  write(text: string): void;
  warn(text: string): void;
  paint(tone: Tone, text: string): string;
}

export function terminal(json: boolean, env: NodeJS.ProcessEnv = process.env): Terminal {
  const colour = wantsColour(env, process.stdout.isTTY);
  return {
    json,
    write: (text) => void process.stdout.write(text),
    warn: (text) => void process.stderr.write(text),
    paint: (tone, text) => (colour && !json ? styleText(tone, text) : text),
  };
}

/** https://no-color.org: any value but the empty one turns colour off. */
export function wantsColour(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true;
  return isTerminal && env['TERM'] !== 'dumb';
}

/** The value itself with `--json`, or else what `draw` makes of it for people. */
export function print<T>(to: Terminal, value: T, draw: (value: T) => string): void {
  to.write(to.json ? `${JSON.stringify(value, null, 2)}\n` : `${draw(value)}\n`);
}

/** Columns padded to their widest cell; the last one is not. Escape sequences take no width. */
export function columns(rows: readonly (readonly string[])[], gap = '  '): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, width(cell))));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - width(cell))))
        .join(gap)
        .trimEnd(),
    )
    .join('\n');
}

function width(text: string): number {
  // eslint-disable-next-line no-control-regex -- the escape that starts a colour
  return text.replaceAll(/\u001b\[[0-9;]*m/g, '').length;
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
