#!/usr/bin/env node
/** `espalier …`: runs one command, prints what goes wrong as one line, and ends with the exit code for it. */
import { CommanderError } from 'commander';
import { ApiError } from './api-client.js';
import { exitCode } from './exit-code.js';
import { createProgram } from './program.js';
import { terminal } from './terminal.js';

// A reader that has seen enough (`espalier tree | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await createProgram().parseAsync();
} catch (error) {
  report(error);
  process.exitCode = exitCode(error);
}

function report(error: unknown): void {
  // Commander has said it already.
  if (error instanceof CommanderError) return;
  const message = error instanceof Error ? error.message : String(error);
  const { paint, warn, json } = terminal(process.argv.includes('--json'));
  if (json) {
    const { code, status } = error instanceof ApiError ? error : { code: 'client', status: null };
    warn(`${JSON.stringify({ error: { code, status, message } })}\n`);
  } else {
    warn(`${paint('red', 'error')} ${message}\n`);
  }
}
