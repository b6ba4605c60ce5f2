import type { Command } from 'commander';
import { pushedRevisionSchema, type PushedRevisionDto } from '../../registry/dto/revision.dto.js';
import { revision } from '../arguments.js';
import { UsageError } from '../errors.js';
import { peftForm } from '../peft-form.js';
import { withProgress } from '../progress.js';
import { session, type Session } from '../session.js';
import { megabytes, print } from '../terminal.js';

interface PushOptions {
  trainedOn?: number | string;
  message?: string;
  serverFolder?: string;
}

export function addPush(program: Command): void {
  program
    .command('push')
    .description('push a PEFT folder as a new revision of a node, which is made if only its last segment is missing')
    .usage('[options] <folder> <path>\n       espalier push [options] --server-folder <name> <path>')
    .argument('<folder>', 'holds adapter_config.json and adapter_model.safetensors; it is uploaded')
    .argument('[path]', 'of the node, as storyteller/french/verne')
    .option('--trained-on <revision>', "the parent's revision that it was trained on; left out, its head", revision)
    .option('--message <text>', 'kept with the revision')
    .option('--server-folder <name>', 'a folder on the machine of the service, which reads it there')
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
  { trainedOn, message, serverFolder }: PushOptions,
): Promise<PushedRevisionDto> {
  const remote = serverFolder === undefined ? null : { folder: serverFolder };
  const path = remote ? first : second;
  if (path === undefined) throw new UsageError('Name the folder first and then the path: push <folder> <path>.');
  if (remote && second !== undefined) throw new UsageError('Name either a folder here or one of the service.');
  const fields = { path, trainedOn, message };
  if (remote) {
    return withProgress(terminal, `Pushing ${path}`, null, () =>
      api.post('/api/v1/revisions', { ...fields, ...remote }, pushedRevisionSchema),
    );
  }
  const { form, bytes } = await peftForm(first, fields);
  return withProgress(terminal, `Pushing ${path}`, bytes, (onSent) =>
    api.post('/api/v1/revisions', form, pushedRevisionSchema, { onSent }),
  );
}
