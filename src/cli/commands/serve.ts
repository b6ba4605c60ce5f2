import type { Command } from 'commander';
import type { GlobalFlags } from '../session.js';

interface ServeOptions {
  host?: string;
  port?: string;
  data?: string;
}

/** Flags are the environment's variables by another name; the service checks them as it does those. */
const VARIABLES = { host: 'ESPALIER_HOST', port: 'ESPALIER_PORT', data: 'ESPALIER_DATA' } as const;

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('start the service in this process; Ctrl-C stops it. --json: one line of JSON once it is up')
    .option('--host <address>', 'where to listen (ESPALIER_HOST)')
    .option('--port <port>', '0 takes a free one (ESPALIER_PORT)')
    .option('--data <folder>', 'database, blobs, models and keys (ESPALIER_DATA)')
    .action(async (options: ServeOptions, command: Command) => {
      if (command.optsWithGlobals<GlobalFlags>().json === true) process.env['ESPALIER_ANNOUNCE'] = 'json';
      for (const [flag, variable] of Object.entries(VARIABLES)) {
        const value = options[flag as keyof ServeOptions];
        if (value !== undefined) process.env[variable] = value;
      }
      // Only now: the other commands need nothing of the service, and start the faster for it.
      await import('../../main.js');
    });
}
