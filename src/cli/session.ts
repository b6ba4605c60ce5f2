/** What every command starts from: the global flags, a connection for the scope that it needs, and the terminal. */
import type { Command } from 'commander';
import { ApiClient } from './api-client.js';
import { connect, type KeyKind } from './connection.js';
import { terminal, type Terminal } from './terminal.js';

interface GlobalFlags {
  url?: string;
  key?: string;
  json?: boolean;
}

export interface Session {
  api: ApiClient;
  terminal: Terminal;
}

export function session(command: Command, kind: KeyKind): Session {
  const flags = command.optsWithGlobals<GlobalFlags>();
  return { api: new ApiClient(connect(flags, kind)), terminal: terminal(flags.json === true) };
}

/** The route of a node that is named by its id or its path. */
export function nodeRoute(node: string, rest = ''): string {
  return `/api/v1/nodes/${encodeURIComponent(node)}${rest}`;
}
