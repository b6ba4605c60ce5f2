/** Where a command writes: results to stdout, everything else to stderr. Colour only on a terminal that wants it. */
import { once } from 'node:events';
import { stripVTControlCharacters, styleText } from 'node:util';

export type Tone = 'dim' | 'bold' | 'red' | 'yellow' | 'green';

export interface TerminalFlags {
  json?: boolean;
  quiet?: boolean;
}

export interface Terminal {
  /** `--json`: results are one JSON value. */
  json: boolean;
  colour: boolean;
  /** Whether a line on stderr may be drawn again and again. */
  animated: boolean;
  write(text: string): void;
  /** As they are, at the pace of whoever reads them. */
  writeBytes(bytes: Uint8Array): Promise<void>;
  /** A line to people on stderr; neither with `--quiet` nor with `--json`, whose results hold it. */
  note(text: string): void;
  /** The same, as a warning. */
  warn(text: string): void;
  paint(tone: Tone, text: string): string;
}

export function terminal(
  { json = false, quiet = false }: TerminalFlags,
  env: NodeJS.ProcessEnv = process.env,
): Terminal {
  const paintFor = (stream: NodeJS.WriteStream): Terminal['paint'] => {
    const colour = !json && wantsColour(env, stream.isTTY);
    return (tone, text) => (colour ? styleText(tone, text) : text);
  };
  const silent = json || quiet;
  const note = (text: string): void => {
    if (!silent) process.stderr.write(`${text}\n`);
  };
  return {
    json,
    colour: !json && wantsColour(env, process.stderr.isTTY),
    // A terminal that says it has no columns, as a bare pty does, would have infinitely many lines to clear.
    animated: !silent && process.stderr.isTTY && process.stderr.columns > 0 && env['TERM'] !== 'dumb' && !env['CI'],
    write: (text) => void process.stdout.write(text),
    writeBytes: async (bytes) => {
      if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
    },
    note,
    warn: (text) => note(`${paintFor(process.stderr)('yellow', 'warning')} ${text}`),
    paint: paintFor(process.stdout),
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

/** Columns padded to their widest cell; the last one is not, and empty ones are left out. Escape sequences take no width. */
export function columns(rows: readonly (readonly string[])[], gap = '  '): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, width(cell))));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - width(cell))))
        .filter((_, i) => widths[i] !== 0)
        .join(gap)
        .trimEnd(),
    )
    .join('\n');
}

/** Text that somebody else wrote, without what would steer the terminal. */
export function harmless(text: string): string {
  // eslint-disable-next-line no-control-regex -- they are what is taken out
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** Its first line. */
export function firstLine(text: string): string {
  return harmless(text.trim().split('\n', 1)[0] ?? '');
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}

export function megabytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
