/** `~/…` in a folder that no shell has expanded: in a configuration file, or after `=` in some shells. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';

export function absolute(folder: string): string {
  return resolve(folder === '~' || folder.startsWith('~/') ? homedir() + folder.slice(1) : folder);
}
