/** What went wrong, on stderr: one line for people, one JSON value with `--json`. */
import { CommanderError } from 'commander';
import { ApiError } from './api-error.js';
import { CancelledError, NoKeyError, UsageError, WrongBytesError } from './errors.js';
import { harmless, wantsColour } from './terminal.js';
import { styleText } from 'node:util';

/** Known before the command line is parsed, because parsing it can fail. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? undefined : end).includes('--json');
}

export function report(error: unknown, json: boolean): void {
  if (json) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    process.stderr.write(`${JSON.stringify({ error: described(error) })}\n`);
    return;
  }
  // Commander has said it already.
  if (error instanceof CommanderError) return;
  const label = wantsColour(process.env, process.stderr.isTTY) ? styleText('red', 'error') : 'error';
  process.stderr.write(`${label} ${harmless(messageOf(error))}\n`);
}

/** As the service writes its own errors: a code and a message. */
function described(error: unknown): Record<string, unknown> {
  const message = messageOf(error);
  if (error instanceof ApiError) {
    const { code, status, details } = error;
    return { code, status, message, ...(details === undefined ? {} : { details }) };
  }
  return { code: codeOf(error), status: null, message };
}

function codeOf(error: unknown): string {
  if (error instanceof CommanderError || error instanceof UsageError) return 'usage';
  if (error instanceof NoKeyError) return 'no_key';
  if (error instanceof WrongBytesError) return 'wrong_bytes';
  return error instanceof CancelledError ? 'cancelled' : 'client';
}

function messageOf(error: unknown): string {
  if (error instanceof CommanderError) {
    // What commander throws after it showed the help of a group that was called without a command.
    if (error.code === 'commander.help') return 'Name one of the commands of this group: --help lists them.';
    return error.message.replace(/^error: /, '');
  }
  return error instanceof Error ? error.message : String(error);
}
