/**
 * The configuration file: services by name, as profiles.
 *
 *     { "url": "http://127.0.0.1:8100", "profiles": { "production": { "url": "https://…", "keyFile": "~/espalier.key" } } }
 *
 * What stands at the top is the profile `default`. It lies where the XDG base directory specification says, so never in
 * a repository, where a key would be committed and a stranger's file would choose the service.
 */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isMissing, UnreadableError, UsageError } from './errors.js';
import { absolute } from './home.js';

export const DEFAULT_PROFILE = 'default';

const profileFields = {
  url: z.string().optional(),
  key: z.string().min(1).optional(),
  /** A file that holds the key and nothing else. */
  keyFile: z.string().min(1).optional(),
};
const profileSchema = z.strictObject(profileFields);
export type Profile = z.infer<typeof profileSchema>;

const fileSchema = z.strictObject({
  ...profileFields,
  /** The profile that is used when none is named. */
  profile: z.string().optional(),
  profiles: z.record(z.string(), profileSchema).optional(),
});
type Contents = z.infer<typeof fileSchema>;

export class ConfigFile {
  private constructor(
    readonly path: string,
    /** Null where there is no file. */
    readonly contents: Contents | null,
    readonly warnings: readonly string[],
  ) {}

  /** `path`: left out, ESPALIER_CONFIG or the default. A file that somebody named must be there, unless `toWrite`. */
  static read(path: string | undefined, env: NodeJS.ProcessEnv, { toWrite = false } = {}): ConfigFile {
    const named = path ?? (env['ESPALIER_CONFIG'] === '' ? undefined : env['ESPALIER_CONFIG']);
    const file = named === undefined ? defaultPath(env) : absolute(named);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (cause) {
      if ((named === undefined || toWrite) && isMissing(cause)) return new ConfigFile(file, null, []);
      throw new UnreadableError(file, cause);
    }
    const contents = parse(file, text);
    return new ConfigFile(file, contents, readableByOthers(file, contents));
  }

  /** The profile of that name; without one, the file's own choice. A profile that somebody named must be there. */
  profile(named: string | undefined): Profile & { name: string } {
    const { profile, profiles, url, key, keyFile } = this.contents ?? {};
    const name = named ?? profile ?? DEFAULT_PROFILE;
    const found = profiles?.[name] ?? (name === DEFAULT_PROFILE ? { url, key, keyFile } : undefined);
    if (found) return { ...found, name };
    const known = [DEFAULT_PROFILE, ...Object.keys(profiles ?? {})].join(', ');
    throw new UsageError(`${this.path} has no profile '${name}'. There are: ${known}.`);
  }

  /** Writes a profile into the file, which is its owner's alone from then on. */
  save(name: string, profile: Profile): void {
    const contents = this.contents ?? {};
    const next =
      name === DEFAULT_PROFILE && !contents.profiles?.[name]
        ? { ...contents, key: undefined, keyFile: undefined, ...profile }
        : { ...contents, profiles: { ...contents.profiles, [name]: profile } };
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600 });
    // The mode above is only that of a new file.
    chmodSync(this.path, 0o600);
  }
}

function defaultPath(env: NodeJS.ProcessEnv): string {
  const xdg = env['XDG_CONFIG_HOME'];
  // The specification: a relative path is to be ignored.
  const base = xdg?.startsWith('/') ? xdg : absolute('~/.config');
  return join(base, 'espalier', 'config.json');
}

function parse(file: string, text: string): Contents {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${file} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const parsed = fileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'no object' };
  throw new UsageError(`${file} can't be used: ${[path.join('.'), message].filter(Boolean).join(': ')}.`);
}

function readableByOthers(file: string, { key, profiles }: Contents): string[] {
  const holdsKey = [{ key }, ...Object.values(profiles ?? {})].some((profile) => profile.key !== undefined);
  // Windows has no such bits: they read as 0o666 there.
  if (!holdsKey || process.platform === 'win32' || (statSync(file).mode & 0o077) === 0) return [];
  return [`${file} holds a key and can be read by others: chmod 600 ${file}`];
}
