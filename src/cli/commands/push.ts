import type { Command } from 'commander';
import { openAsBlob } from 'node:fs';
import { join, resolve } from 'node:path';
import { pushedRevisionSchema } from '../../registry/dto/revision.dto.js';
import { revision } from '../arguments.js';
import { UsageError } from '../errors.js';
import { session } from '../session.js';
import { megabytes, print } from '../terminal.js';

interface PushOptions {
  trainedOn?: number | string;
  message?: string;
  serverSide?: boolean;
}

/** The two files of a PEFT folder. */
const FILES = ['adapter_config.json', 'adapter_model.safetensors'];

export function addPush(program: Command): void {
  program
    .command('push')
    .description('push a PEFT folder as a new revision of a node, which is made if only its last segment is missing')
    .argument('<folder>', 'holds adapter_config.json and adapter_model.safetensors')
    .argument('<path>', 'of the node, as storyteller/french/verne')
    .option('--trained-on <revision>', "the parent's revision that it was trained on; left out, its head", revision)
    .option('--message <text>', 'kept with the revision')
    .option('--server-side', 'the folder lies on the machine of the service: send its name instead of its files')
    .action(async (folder: string, path: string, options: PushOptions, command: Command) => {
      const { api, terminal } = session(command, 'admin');
      const { trainedOn, message } = options;
      const body =
        options.serverSide === true
          ? { path, folder: resolve(folder), trainedOn, message }
          : await upload(folder, { path, trainedOn, message });
      const pushed = await api.post('/api/v1/revisions', body, pushedRevisionSchema);
      for (const warning of pushed.warnings) terminal.warn(`${terminal.paint('yellow', 'warning')} ${warning}\n`);
      print(terminal, pushed, () => {
        const what = `${pushed.path}@${pushed.number}  rank ${pushed.rank}, ${megabytes(pushed.bytes)}`;
        if (pushed.unchanged) return `${what}: the node has it already.`;
        return pushed.isHead ? `${what}, the head.` : `${what}. Promote it to serve it by default.`;
      });
    });
}

/** Fields first: the service reads the parts as they come. The files are streamed from disk. */
async function upload(folder: string, fields: Record<string, number | string | undefined>): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, String(value));
  for (const file of FILES) {
    try {
      form.append(file, await openAsBlob(join(folder, file)), file);
    } catch {
      throw new UsageError(`${join(folder, file)} can't be read. A PEFT folder holds ${FILES.join(' and ')}.`);
    }
  }
  return form;
}
