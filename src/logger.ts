/** Structured logs on stderr: a line of JSON each, or readable lines where stderr is a terminal. stdout is for people. */
import { pino, type Logger } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type { Logger };

/** Injection token of the `Logger`. */
export const LOGGER = Symbol('LOGGER');

const STDERR = 2;

export function createLogger(level: string): Logger {
  const destination = process.stderr.isTTY
    ? PinoPretty({ destination: STDERR, sync: true, singleLine: true, ignore: 'pid,hostname' })
    : pino.destination({ dest: STDERR, sync: true });
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
