import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pushedRevisionSchema, type PushedRevisionDto } from '../../registry/dto/revision.dto.js';
import { hubSource, metric, readText, repeated, revision } from '../arguments.js';
import { UsageError } from '../errors.js';
import { peftForm } from '../peft-form.js';
import { withProgress } from '../progress.js';
import { session, type Session } from '../session.js';
import { megabytes, print } from '../terminal.js';

interface PushOptions {
  trainedOn?: number | string;
  message?: string;
  author?: string;
  card?: string | false;
  metric?: Record<string, number>;
  tag?: string[];
  digest?: string;
  sha256?: string;
  serverFolder?: string;
  hub?: { repo: string; revision?: string };
  hubFolder?: string;
}

const ROUTE = '/api/v1/revisions';

export function addPush(program: Command): void {
  program
    .command('push')
    .description('push a PEFT adapter as a new revision of a node, which is made if only its last segment is missing')
    .usage(
      [
        '[options] <folder> <path>',
        '       espalier push [options] --hub <id[@revision]> <path>',
        '       espalier push [options] --server-folder <folder> <path>',
      ].join('\n'),
    )
    .argument('<folder>', 'holds adapter_config.json and adapter_model.safetensors; it is uploaded')
    .argument('[path]', 'of the node, as storyteller/french/verne')
    .option('--hub <id>', 'of a repository of the Hugging Face hub, as organisation/name@main', hubSource)
    .option('--hub-folder <name>', 'where the adapter lies within the repository')
    .option('--server-folder <name>', 'a folder on the machine of the service, which reads it there')
    .option('--trained-on <revision>', "the parent's revision that it was trained on; left out, its head", revision)
    .option('--message <text>', 'kept with the revision')
    .option('--author <name>', "left out, the name of the key's")
    .option('--card <file>', 'markdown; left out, the README.md beside the adapter')
    .option('--no-card', 'without that README.md')
    .option('--metric <name=value>', 'several times for several', metric)
    .option('--tag <tag>', 'several times for several', repeated)
    .option('--digest <digest>', 'refuse anything but this revision digest')
    .option('--sha256 <sha256>', 'refuse any other adapter_model.safetensors')
    .addHelpText(
      'after',
      `
A private repository of the hub takes a token, which is read from HF_TOKEN, sent with this push alone and never kept.
The same adapter again changes nothing, so a push that was cut can simply be run again.`,
    )
    .action(async (first: string, second: string | undefined, options: PushOptions, command: Command) => {
      const here = session(command);
      const { terminal } = here;
      const pushed = await push(here, first, second, options);
      pushed.warnings.forEach(terminal.warn);
      print(terminal, pushed, () => {
        const what = `${pushed.path}@${pushed.number}  rank ${pushed.rank}, ${megabytes(pushed.bytes)}`;
        if (pushed.unchanged) return `${what}: the node has it already.`;
        return pushed.isHead ? `${what}, the head.` : `${what}. Promote it to serve it by default.`;
      });
    });
}

async function push(
  { api, terminal }: Session,
  first: string,
  second: string | undefined,
  options: PushOptions,
): Promise<PushedRevisionDto> {
  const remote = remoteSource(options);
  const path = remote ? first : second;
  if (path === undefined) throw new UsageError('Name the folder first and then the path: push <folder> <path>.');
  if (remote && second !== undefined) throw new UsageError('Name one source: a folder here, --server-folder or --hub.');
  const { trainedOn, message, author, digest, sha256 } = options;
  const fields = { path, trainedOn, message, author, digest, sha256, metrics: options.metric, tags: options.tag };
  if (remote) {
    const card = typeof options.card === 'string' ? readText(options.card) : options.card === false ? '' : undefined;
    const body = { ...fields, card, ...remote };
    return withProgress(terminal, `Pushing ${path}`, null, () => api.post(ROUTE, body, pushedRevisionSchema));
  }
  if (!existsSync(first) && existsSync(path)) {
    throw new UsageError(`"${path}" is the folder here, and comes first: push ${path} ${first}.`);
  }
  const { form, bytes } = await peftForm(first, fields, options.card);
  return withProgress(terminal, `Pushing ${path}`, bytes, (onSent) =>
    api.post(ROUTE, form, pushedRevisionSchema, { onSent }),
  );
}

/** Null where the files are here. */
function remoteSource({ serverFolder, hub, hubFolder }: PushOptions): object | null {
  if (hub === undefined) return serverFolder === undefined ? null : { folder: resolve(serverFolder) };
  if (serverFolder !== undefined) throw new UsageError('Name one source: either --server-folder or --hub.');
  const token = process.env['HF_TOKEN'];
  return { hub: { ...hub, folder: hubFolder, token: token === '' ? undefined : token } };
}
