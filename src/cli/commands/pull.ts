import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { resolutionSchema, type ResolutionDto } from '../../registry/dto/resolution.dto.js';
import { download, type Downloaded } from '../download.js';
import { FILES } from '../peft-form.js';
import { findRevision } from '../revision-lookup.js';
import { session } from '../session.js';
import { megabytes, print } from '../terminal.js';

export function addPull(program: Command): void {
  program
    .command('pull')
    .description('download a revision as the PEFT folder that it was pushed from, byte for byte')
    .argument('<path>', 'of a node, with @revision or @alias for another one than the head')
    .argument('[folder]', "where to; left out, a folder with the node's name")
    .option('--force', 'replace files with other content')
    .addHelpText('after', '\nA download that was cut goes on where it ended when the same command runs again.')
    .action(
      async (path: string, folder: string | undefined, { force = false }: { force?: boolean }, command: Command) => {
        const { api, terminal } = session(command);
        const revision = await findRevision(api, path);
        const to = resolve(folder ?? revision.path.slice(revision.path.lastIndexOf('/') + 1));
        const files: Downloaded[] = [];
        for (const name of FILES) {
          const route = `/api/v1/revisions/${revision.id}/files/${name}`;
          files.push(await download(api, terminal, route, join(to, name), { force, checked: true }));
        }
        const { digest, number } = revision;
        print(terminal, { path: revision.path, number, digest, folder: to, files }, () => {
          const what = `${revision.path}@${number}`;
          if (files.every(({ unchanged }) => unchanged)) return `${to} holds ${what} already.`;
          return `${what} is in ${to}, ${sizeOf(files)}.`;
        });
      },
    );

  program
    .command('export')
    .description('write what a path sums to as one PEFT folder, which transformers and PEFT load')
    .argument('<path>', 'as storyteller/french:0.8/verne@2')
    .argument('<folder>', 'where to')
    .option('--force', 'replace files with other content')
    .action(async (path: string, folder: string, { force = false }: { force?: boolean }, command: Command) => {
      const { api, terminal } = session(command);
      const to = resolve(folder);
      const resolution = await api.get(`/api/v1/resolve?path=${encodeURIComponent(path)}`, resolutionSchema);
      const files: Downloaded[] = [];
      for (const name of FILES) {
        const route = `/api/v1/export/${name}?path=${encodeURIComponent(pinned(resolution))}`;
        files.push(await download(api, terminal, route, join(to, name), { force, checked: false }));
      }
      const { digest } = resolution;
      print(terminal, { path: resolution.path, digest, folder: to, files }, () => {
        return `${path} is in ${to} as one adapter, ${sizeOf(files)}.`;
      });
    });
}

/** The path with every revision named, so that both files are of one sum whatever is promoted between them. */
function pinned({ model, steps }: ResolutionDto): string {
  const segments = steps.map(({ node, weight, revision }) => {
    const name = node.path.slice(node.path.lastIndexOf('/') + 1);
    return `${name}${weight === 1 ? '' : `:${weight}`}${revision ? `@${revision.number}` : ''}`;
  });
  return [model.name, ...segments].join('/');
}

function sizeOf(files: readonly Downloaded[]): string {
  return megabytes(files.reduce((sum, { bytes }) => sum + bytes, 0));
}
