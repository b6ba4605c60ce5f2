#!/usr/bin/env node
/** `espalier …`: runs one command, prints what goes wrong as one line, and ends with the exit code for it. */
import { exitCode } from './exit-code.js';
import { interrupted } from './interrupt.js';
import { createProgram } from './program.js';
import { report, wantsJson } from './report.js';

// A reader that has seen enough (`espalier tree | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const json = wantsJson(process.argv);
try {
  const program = await createProgram(process.argv.slice(2), json);
  await program.parseAsync();
} catch (error) {
  // Whatever an interruption broke, it is what went wrong.
  const signal = interrupted();
  const reason: unknown = signal.aborted ? signal.reason : error;
  report(reason, json);
  process.exitCode = exitCode(reason);
}
