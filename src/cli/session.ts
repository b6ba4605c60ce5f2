/** What every command starts from: the global flags, a connection for the scope that it needs, and the terminal. */
import { Option, type Command } from 'commander';
import { ApiClient } from './api-client.js';
import { wholeNumber } from './arguments.js';
import { connect, type ConnectionFlags, type KeyKind } from './connection.js';
import { interrupted } from './interrupt.js';
import { terminal, type Terminal, type TerminalFlags } from './terminal.js';

export type GlobalFlags = ConnectionFlags & TerminalFlags;

export interface Session {
  api: ApiClient;
  terminal: Terminal;
}

export function session(command: Command, kind: KeyKind = 'admin'): Session {
  const flags = command.optsWithGlobals<GlobalFlags>();
  const to = terminal(flags);
  const connection = connect(flags, kind);
  connection.warnings.forEach(to.warn);
  return { api: new ApiClient(connection, interrupted()), terminal: to };
}

/** For whoever must not overwrite what somebody else changed meanwhile. */
export function ifVersion(): Option {
  return new Option('--if-version <n>', 'only if nobody has changed it since this version').argParser(wholeNumber(0));
}

/** The route of a node that is named by its id or its path. */
export function nodeRoute(node: string, rest = ''): string {
  return `/api/v1/nodes/${encodeURIComponent(node)}${rest}`;
}
