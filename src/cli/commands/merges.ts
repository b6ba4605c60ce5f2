import type { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { mergeSchema, type MergeDto } from '../../registry/merges/merge.dto.js';
import type { ApiClient } from '../api-client.js';
import { ApiError } from '../api-error.js';
import { interrupted } from '../interrupt.js';
import { withProgress } from '../progress.js';
import { session } from '../session.js';
import { columns, megabytes, print, type Terminal } from '../terminal.js';

const ROUTE = '/api/v1/merges';
/** How often the service is asked how far it is. */
const ASK_EVERY_MS = 100;

export function addMerges(program: Command): void {
  program
    .command('merge')
    .description('merge a path into weights of its own, which makes it as fast as the base, and keep it so')
    .argument('<path>', 'as in a request: storyteller/french:0.8/verne@production')
    .option('--no-wait', 'do not wait until it is ready')
    .action(async (path: string, { wait }: { wait: boolean }, command: Command) => {
      const { api, terminal } = session(command);
      const startMs = performance.now();
      const pinned = await api.post(ROUTE, { path }, mergeSchema);
      const merge = wait ? await withProgress(terminal, `Merging ${path}`, null, () => settled(api, pinned)) : pinned;
      print(terminal, merge, () => told(merge, wait ? (performance.now() - startMs) / 1000 : null));
    });

  program
    .command('unmerge')
    .description('let a path be served from its adapters again')
    .argument('<path>', 'as it was merged, or the id of the merge')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const merge = await api.delete(route(path), mergeSchema);
      print(terminal, merge, () => `Unmerged ${merge.path}.`);
    });

  program
    .command('merges')
    .description('the paths that are merged, and how far each is')
    .action(async (_options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list(ROUTE, mergeSchema);
      print(terminal, data, () => columns(data.map((merge) => row(merge, terminal))) || 'No path is merged.');
    });
}

function route(idOrPath: string): string {
  return `${ROUTE}/${encodeURIComponent(idOrPath)}`;
}

/** Asks until it is ready. Throws why it failed; the pin stays. */
async function settled(api: ApiClient, pinned: MergeDto): Promise<MergeDto> {
  let merge = pinned;
  while (merge.state === 'pending') {
    await delay(ASK_EVERY_MS, undefined, { signal: interrupted() }).catch(() => interrupted().throwIfAborted());
    merge = await api.get(route(merge.id ?? merge.path), mergeSchema);
  }
  if (merge.reason === null) return merge;
  throw new ApiError(`${merge.reason.message} It stays pinned.`, merge.reason.code, 500);
}

function told({ path, state, bytes }: MergeDto, seconds: number | null): string {
  if (state !== 'ready') return `${path} will be merged.`;
  const time = seconds === null ? '' : ` ${seconds.toFixed(1)} s after it was pinned`;
  return `${path} is ready${time}: ${megabytes(bytes ?? 0)} of weights of its own.`;
}

function row({ path, state, pinned, seconds, bytes, reason }: MergeDto, { paint }: Terminal): string[] {
  return [
    paint('bold', path),
    paint(state === 'ready' ? 'green' : state === 'failed' ? 'red' : 'yellow', state),
    seconds === null ? '' : `in ${seconds.toFixed(1)} s`,
    bytes === null ? '' : megabytes(bytes),
    pinned ? '' : 'for its traffic',
    reason?.message ?? '',
  ];
}
