/** `path@2`, `path@production`, `path`: the revision that somebody means, whether its node is served now or not. */
import { nodeSchema } from '../registry/dto/node.dto.js';
import { revisionSchema, type RevisionDto } from '../registry/dto/revision.dto.js';
import type { ApiClient } from './api-client.js';
import { ApiError } from './api-error.js';
import { nodeRoute } from './session.js';

export async function findRevision(api: ApiClient, named: string): Promise<RevisionDto> {
  const at = named.indexOf('@');
  const path = at === -1 ? named : named.slice(0, at);
  const which = at === -1 ? null : named.slice(at + 1);
  const node = await api.get(nodeRoute(path), nodeSchema);
  const alias = node.aliases.find(({ name }) => name === which);
  const number = which === null ? node.head?.number : (alias?.revision ?? (/^\d+$/.test(which) ? Number(which) : null));
  const { data } = await api.list(nodeRoute(path, '/revisions'), revisionSchema);
  const found = data.find((each) => each.number === number || each.id === which);
  if (found) return found;
  throw new ApiError(
    which === null ? `${path} has no revision yet.` : `${path} has no revision or alias "${which}".`,
    'revision_not_found',
    404,
  );
}
