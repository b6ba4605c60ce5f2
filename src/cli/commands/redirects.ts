import type { Command } from 'commander';
import { z } from 'zod';
import { redirectSchema, type RedirectDto } from '../../registry/places/redirect.dto.js';
import type { ApiClient } from '../api-client.js';
import { ApiError } from '../api-error.js';
import { session } from '../session.js';
import { columns, print } from '../terminal.js';
import { shortTime } from '../times.js';

const ROUTE = '/api/v1/redirects';

export function addRedirects(program: Command): void {
  const redirects = program.command('redirects').description('old paths of nodes that moved, which go on answering');

  redirects
    .command('list')
    .description('all of them, the oldest first')
    .argument('[path]', 'lists those at and below this node alone')
    .action(async (path: string | undefined, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const under = path === undefined ? '' : `?under=${encodeURIComponent(path)}`;
      const { data } = await api.list(ROUTE + under, redirectSchema);
      print(terminal, data, () => {
        const rows = data.map(({ path: old, node, createdAt }) => [
          terminal.paint('bold', old),
          `→ ${node?.path ?? 'a node that this key does not see'}`,
          shortTime(createdAt),
        ]);
        return columns(rows) || 'No redirects.';
      });
    });

  redirects
    .command('drop')
    .description('let an old path lead nowhere, so that its name is free')
    .argument('<path>', 'the old path, or the id of the redirect')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const redirect = await find(api, path);
      await api.delete(`${ROUTE}/${redirect.id}`, z.undefined());
      print(terminal, redirect, () => `Dropped ${redirect.path}.`);
    });
}

async function find(api: ApiClient, named: string): Promise<RedirectDto> {
  const { data } = await api.list(ROUTE, redirectSchema);
  const found = data.find(({ path, id }) => path === named || id === named);
  if (found) return found;
  throw new ApiError(
    `No redirect leads from '${named}': 'espalier redirects list' shows them.`,
    'redirect_not_found',
    404,
  );
}
