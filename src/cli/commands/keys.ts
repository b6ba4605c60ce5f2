import { InvalidArgumentError, Option, type Command } from 'commander';
import { keySchema, newKeySchema, type KeyDto, type NewKeyDto } from '../../registry/keys/key.dto.js';
import { repeated, wholeNumber } from '../arguments.js';
import { findKey } from '../key-lookup.js';
import { ifVersion, session } from '../session.js';
import { columns, harmless, print, type Terminal } from '../terminal.js';
import { from, seconds, shortTime } from '../times.js';

/** Takes an end or a limit away. */
const NONE = 'none';

const SCOPES = keySchema.shape.scopes.element.options;
type Scope = (typeof SCOPES)[number];

interface KeyOptions {
  scope?: string[];
  subtree?: string;
  expires?: string;
  name?: string;
  requestsPerMinute?: number | typeof NONE;
  tokensPerMinute?: number | typeof NONE;
  ifVersion?: number;
}

const ROUTE = '/api/v1/keys';
const KEY = 'its id, the beginning that is shown of it, or its name';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('API keys: scopes, subtrees, expiry, limits');

  limits(
    keys
      .command('create')
      .description('make a key; it is printed this once')
      .argument('<name>', 'what it is for')
      .addOption(scopes().makeOptionMandatory())
      .option('--subtree <node>', 'good for this node and what is below it alone'),
  ).action(async (name: string, options: KeyOptions, command: Command) => {
    const { api, terminal } = session(command);
    const made = await api.post(ROUTE, { name, subtree: options.subtree, ...fields(options) }, newKeySchema);
    show(terminal, made, `Made the key ${name}, with ${made.scopes.join(', ')}. It is shown this once:`);
  });

  keys
    .command('list')
    .description('the keys that this one manages')
    .option('--revoked', 'also those that were revoked')
    .action(async ({ revoked }: { revoked?: boolean }, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list(`${ROUTE}?revoked=${revoked === true}`, keySchema);
      print(terminal, data, () => drawKeys(data, terminal.paint));
    });

  limits(
    keys
      .command('update')
      .description('change what a key may do; what is left out stays')
      .argument('<key>', KEY)
      .option('--name <name>')
      .addOption(scopes()),
  )
    .addOption(ifVersion())
    .action(async (which: string, options: KeyOptions, command: Command) => {
      const { api, terminal } = session(command);
      const { id } = await findKey(api, which);
      const body = { name: options.name, ...fields(options) };
      const key = await api.patch(`${ROUTE}/${id}`, body, keySchema, options);
      print(terminal, key, () => drawKeys([key], terminal.paint));
    });

  keys
    .command('rotate')
    .description('make a new key in place of one; it is printed this once')
    .argument('<key>', KEY)
    .option('--overlap <time>', 'how long the old one goes on, as 15m or 1d; left out, it ends at once', seconds, 0)
    .addOption(ifVersion())
    .action(async (which: string, options: { overlap: number; ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const { id, name } = await findKey(api, which);
      const made = await api.post(`${ROUTE}/${id}/rotate`, { overlapSeconds: options.overlap }, newKeySchema, options);
      show(terminal, made, `Made a new key for ${name}. It is shown this once:`);
    });

  keys
    .command('revoke')
    .description('end a key for good')
    .argument('<key>', KEY)
    .addOption(ifVersion())
    .action(async (which: string, options: { ifVersion?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const { id } = await findKey(api, which);
      const key = await api.post(`${ROUTE}/${id}/revoke`, undefined, keySchema, options);
      print(terminal, key, () => `Revoked ${harmless(key.name)} (${key.prefix}).`);
    });
}

function scopes(): Option {
  return new Option('--scope <scope>', 'what it may do; several times for several').choices(SCOPES).argParser(chosen);
}

function chosen(text: string, before: string[] | undefined): string[] {
  const known: readonly string[] = SCOPES;
  if (!known.includes(text)) throw new InvalidArgumentError(`It must be one of ${SCOPES.join(', ')}.`);
  return repeated(text, before);
}

function limits(command: Command): Command {
  const count = orNone(wholeNumber(1));
  return command
    .option('--expires <time>', 'when it ends: a date, or from now, as 90d; never takes the end away', orNone(from))
    .option('--requests-per-minute <n>', 'none takes the limit away', count)
    .option('--tokens-per-minute <n>', 'none takes the limit away', count);
}

/** Commander makes an empty text of null, so that comes last. */
function orNone<T>(parse: (text: string) => T): (text: string) => T | typeof NONE {
  return (text) => (text === 'none' || text === 'never' ? NONE : parse(text));
}

function nullable<T>(value: T | typeof NONE | undefined): T | null | undefined {
  return value === NONE ? null : value;
}

function fields({ scope, expires, requestsPerMinute, tokensPerMinute }: KeyOptions): object {
  return {
    scopes: scope as Scope[] | undefined,
    expiresAt: nullable(expires),
    requestsPerMinute: nullable(requestsPerMinute),
    tokensPerMinute: nullable(tokensPerMinute),
  };
}

/** The key alone on stdout, so that a script can take it as it is. */
function show(terminal: Terminal, made: NewKeyDto, note: string): void {
  terminal.note(harmless(note));
  print(terminal, made, () => made.key);
}

function drawKeys(keys: readonly KeyDto[], paint: Terminal['paint']): string {
  const head = ['name', 'key', 'scopes', 'for', 'expires', 'last used', 'limits'].map((title) => paint('dim', title));
  const rows = keys.map((key) => [
    paint('bold', harmless(key.name)),
    `${key.prefix}…`,
    key.scopes.join(' '),
    key.subtree === null ? 'everything' : (key.subtree.path ?? paint('red', 'a deleted node')),
    key.revokedAt === null ? shortTime(key.expiresAt) || 'never' : paint('red', `revoked ${shortTime(key.revokedAt)}`),
    shortTime(key.lastUsedAt) || paint('dim', 'never'),
    limitsOf(key),
  ]);
  return columns([head, ...rows]);
}

function limitsOf({ requestsPerMinute, tokensPerMinute }: KeyDto): string {
  const all = [
    requestsPerMinute === null ? '' : `${requestsPerMinute} requests/min`,
    tokensPerMinute === null ? '' : `${tokensPerMinute} tokens/min`,
  ];
  return all.filter((each) => each !== '').join(', ');
}
