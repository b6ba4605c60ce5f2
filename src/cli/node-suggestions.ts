/** Paths of nodes for the shell: one request, the first page of it, and never longer than somebody waits for a Tab. */
import { nodeSchema } from '../registry/dto/node.dto.js';
import type { ApiClient } from './api-client.js';
import { pageSchema } from '../registry/dto/page.js';
import type { Suggestion } from './suggestions.js';

/** More than these are given level by level. */
const MANY = 100;

export async function nodeSuggestions(api: ApiClient, prefix: string): Promise<Suggestion[]> {
  // A weight or a revision on the way changes nothing about what lies below.
  const bare = prefix.replaceAll(/[:@][^/]*/g, '');
  if (/[:@][^/]*$/.test(prefix)) return [];
  const above = bare.slice(0, Math.max(0, bare.lastIndexOf('/')));
  const under = above === '' ? '' : `&under=${encodeURIComponent(above)}`;
  const { data } = await api.get(`/api/v1/nodes?limit=1000${under}`, pageSchema(nodeSchema));
  const found = data.filter(({ path }) => path.startsWith(bare) && path !== above);
  const written = (path: string): string => prefix + path.slice(bare.length);
  return levelled(found, bare).map(({ path, head }) => ({
    value: written(path),
    description: head ? `@${head.number}, rank ${head.rank}` : '',
  }));
}

function levelled<T extends { path: string }>(nodes: T[], prefix: string): T[] {
  if (nodes.length <= MANY) return nodes;
  const depth = prefix.split('/').length;
  return nodes.filter(({ path }) => path.split('/').length === depth);
}
