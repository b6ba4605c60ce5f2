/** How far something is, on stderr while it lasts: a bar where the bytes are known, else the time that has passed. */
import { megabytes, type Terminal } from './terminal.js';

/** `bytes`: how many are done. `of`: of how many, where that wasn't known before. */
export type OnProgress = (bytes: number, of?: number) => void;

interface Progress {
  update: OnProgress;
  /** Takes the line away. */
  stop: () => void;
}

const REFRESH_MS = 200;
const BAR_WIDTH = 24;

/**
 * Runs `work` under a progress line, which is gone when it ends, however it ends. `totalBytes`: null where nobody knows.
 * Nothing is drawn where stderr is no terminal, or for `--quiet` and `--json`.
 */
export async function withProgress<T>(
  terminal: Terminal,
  label: string,
  totalBytes: number | null,
  work: (update: OnProgress) => Promise<T>,
): Promise<T> {
  if (!terminal.animated) return work(() => undefined);
  const line = await progress(label, totalBytes, terminal.colour);
  try {
    return await work(line.update);
  } finally {
    line.stop();
  }
}

async function progress(label: string, totalBytes: number | null, colour: boolean): Promise<Progress> {
  // Only now: most commands are done before it would be loaded.
  const { default: ora } = await import('ora');
  const started = Date.now();
  let bytes = 0;
  let total = totalBytes;
  const text = (): string => drawProgress(label, bytes, total, (Date.now() - started) / 1000);
  const spinner = ora({
    text: text(),
    stream: process.stderr,
    color: colour ? 'cyan' : false,
    // Reading stdin is the command's own business, and Ctrl-C must stay a signal.
    discardStdin: false,
    isEnabled: true,
  }).start();
  const timer = setInterval(() => (spinner.text = text()), REFRESH_MS).unref();
  return {
    update: (done, of) => {
      bytes = done;
      if (of !== undefined) total = of;
    },
    stop: () => {
      clearInterval(timer);
      spinner.stop();
    },
  };
}

export function drawProgress(label: string, bytes: number, totalBytes: number | null, seconds: number): string {
  const time = duration(seconds);
  if (totalBytes === null || totalBytes === 0)
    return bytes === 0 ? `${label}  ${time}` : `${label}  ${megabytes(bytes)}  ${time}`;
  // The form around the files is counted too.
  const part = Math.min(1, bytes / totalBytes);
  const full = Math.floor(part * BAR_WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  const rate = seconds >= 1 && part < 1 ? `  ${megabytes(bytes / seconds)}/s` : '';
  // What is left to do once all bytes are sent is the service's: it checks them.
  const done = part === 1 ? `  ${time}` : '';
  return `${label}  ${bar} ${percent}  ${megabytes(Math.min(bytes, totalBytes))} of ${megabytes(totalBytes)}${rate}${done}`;
}

export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
