import type { Command } from 'commander';
import { connect } from '../connection.js';
import { ConfigFile, DEFAULT_PROFILE } from '../config-file.js';
import type { GlobalFlags } from '../session.js';
import { columns, print, terminal } from '../terminal.js';

export function addConfig(program: Command): void {
  const config = program.command('config').description('the configuration file: services and keys by profile');

  config
    .command('show')
    .description('which service is talked to, and where its URL and key come from')
    .action((_options: unknown, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags>();
      const to = terminal(flags);
      const { url, urlFrom, key, keyFrom, warnings } = connect(flags, 'admin');
      warnings.forEach(to.warn);
      print(to, { url, urlFrom, key: masked(key), keyFrom }, (shown) =>
        columns([
          ['url', shown.url, to.paint('dim', shown.urlFrom)],
          ['key', shown.key, to.paint('dim', shown.keyFrom)],
        ]),
      );
    });

  config
    .command('save')
    .description('keep the URL and the key of this command line, or environment, as a profile; --profile names it')
    .addHelpText(
      'after',
      `
Example:
  espalier --url https://adapters.example.org --key - --profile production config save < key.txt
  espalier --profile production tree`,
    )
    .action((_options: unknown, command: Command) => {
      const { profile = DEFAULT_PROFILE, ...flags } = command.optsWithGlobals<GlobalFlags>();
      const to = terminal(flags);
      const file = ConfigFile.read(flags.config, process.env, { toWrite: true });
      const { url, key } = connect(flags, 'admin', process.env, file);
      file.save(profile, { url, key });
      print(to, { file: file.path, profile, url }, () => `Saved ${url} and its key as ${profile} in ${file.path}.`);
    });
}

/** The part of a key that finds it, without the part that proves it. */
function masked(key: string): string {
  return `${/^esp_[0-9a-f]{12}/.exec(key)?.[0] ?? ''}…`;
}
