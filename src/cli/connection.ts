/** Which service a command talks to and with which key: flags first, then the environment, then the local data folder. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NoKeyError, UsageError } from './errors.js';

export interface ConnectionFlags {
  url?: string;
  key?: string;
}

export interface Connection {
  url: string;
  key: string;
}

/** The scope that a command needs; it chooses which of the first keys serves when none is given. */
export type KeyKind = 'admin' | 'infer';

export function connect(flags: ConnectionFlags, kind: KeyKind, env: NodeJS.ProcessEnv = process.env): Connection {
  const url = flags.url ?? nonEmpty(env['ESPALIER_URL']) ?? 'http://127.0.0.1:8100';
  if (!URL.canParse(url)) throw new UsageError(`'${url}' is no URL. Give one like http://127.0.0.1:8100.`);
  const key = flags.key ?? nonEmpty(env['ESPALIER_KEY']) ?? firstKey(kind, env);
  return { url: url.replace(/\/+$/, ''), key };
}

function firstKey(kind: KeyKind, env: NodeJS.ProcessEnv): string {
  const file = join(resolve(nonEmpty(env['ESPALIER_DATA']) ?? './data'), 'keys', `${kind}.key`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new NoKeyError(file);
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
