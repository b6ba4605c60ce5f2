/**
 * Which service a command talks to and with which key: flags first, then the environment, then the configuration file,
 * then the first keys in a local data folder. A profile that a flag names comes before the environment, as flags do.
 *
 * A key goes to the service that it was given for: a profile's key only to the profile's URL, and the data folder's only
 * to this machine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigFile, type Profile } from './config-file.js';
import { NoKeyError, UnreadableError, UsageError } from './errors.js';
import { absolute } from './home.js';

export interface ConnectionFlags {
  url?: string;
  /** `-` reads standard input, where other users of the machine don't see it. */
  key?: string;
  profile?: string;
  config?: string;
}

export interface Connection {
  url: string;
  key: string;
  /** Where they come from, for people. */
  urlFrom: string;
  keyFrom: string;
  warnings: readonly string[];
}

/** The scope that a command needs; it chooses which of the first keys serves when none is given. */
export type KeyKind = 'admin' | 'infer';

const DEFAULT_URL = 'http://127.0.0.1:8100';

interface Found {
  value: string;
  from: string;
}

export function connect(
  flags: ConnectionFlags,
  kind: KeyKind,
  env: NodeJS.ProcessEnv = process.env,
  file = ConfigFile.read(flags.config, env),
): Connection {
  const profile = file.profile(flags.profile ?? nonEmpty(env['ESPALIER_PROFILE']));
  const fromFile = found(profile.url, `profile ${profile.name} of ${file.path}`);
  const fromEnv = found(nonEmpty(env['ESPALIER_URL']), 'ESPALIER_URL');
  const byDefault: Found = { value: DEFAULT_URL, from: 'the default' };
  const { value, from } =
    found(flags.url, '--url') ??
    (flags.profile === undefined ? (fromEnv ?? fromFile) : (fromFile ?? fromEnv)) ??
    byDefault;
  const url = checked(value);
  // Asked in turn, so that no file is read whose key isn't needed.
  const ofProfile = (): Found | null =>
    profile.url === undefined || checked(profile.url) === url ? profileKey(profile, file.path) : null;
  const ofEnv = (): Found | null => found(nonEmpty(env['ESPALIER_KEY']), 'ESPALIER_KEY');
  const key =
    found(flags.key === '-' ? readKey(0, 'Standard input') : flags.key, '--key') ??
    (flags.profile === undefined ? (ofEnv() ?? ofProfile()) : (ofProfile() ?? ofEnv())) ??
    firstKey(kind, url, env);
  return { url, key: key.value, urlFrom: from, keyFrom: key.from, warnings: file.warnings };
}

function checked(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`'${url}' is no URL. Give one like ${DEFAULT_URL}.`);
  }
  return url.replace(/\/+$/, '');
}

function profileKey({ name, key, keyFile }: Profile & { name: string }, file: string): Found | null {
  const from = `profile ${name} of ${file}`;
  if (key !== undefined || keyFile === undefined) return found(key, from);
  const path = absolute(keyFile);
  return { value: readKey(path, path), from: path };
}

function firstKey(kind: KeyKind, url: string, env: NodeJS.ProcessEnv): Found {
  const file = join(absolute(nonEmpty(env['ESPALIER_DATA']) ?? './data'), 'keys', `${kind}.key`);
  if (!isLoopback(new URL(url).hostname)) throw new NoKeyError(url, null);
  try {
    return { value: readFileSync(file, 'utf8').trim(), from: file };
  } catch {
    throw new NoKeyError(url, file);
  }
}

function readKey(file: number | string, name: string): string {
  let key: string;
  try {
    key = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UnreadableError(name, cause);
  }
  if (key === '') throw new UsageError(`${name} holds no key.`);
  return key;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
}

function found(value: string | undefined, from: string): Found | null {
  return value === undefined ? null : { value, from };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
