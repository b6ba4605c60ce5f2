/** What the service says is at and below a path. */
import type { Page } from '../../src/registry/dto/page.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { RedirectDto } from '../../src/registry/places/redirect.dto.js';
import type { CrashingService } from './crashing-service.js';
import type { View } from './subtree.js';

export interface SeenSubtree {
  view: View;
  /** Path → id of the node. */
  ids: Map<string, string>;
  /** Old path → id of the redirect. */
  redirectIds: Map<string, string>;
  revisionIds: string[];
}

interface SeenRevision {
  id: string;
  number: number;
  message: string | null;
}

/** A page holds all of it. */
const LIMIT = 1000;

export async function readSubtree(service: CrashingService, path: string): Promise<SeenSubtree> {
  const under = `under=${encodeURIComponent(path)}&limit=${LIMIT}`;
  const nodes = await service.get<Page<NodeDto>>(`/nodes?${under}&archived=true`);
  const redirects = await service.get<Page<RedirectDto>>(`/redirects?${under}`);
  const seen: SeenSubtree = {
    view: { nodes: {}, redirects: {} },
    ids: new Map(nodes.data.map((node) => [node.path, node.id])),
    redirectIds: new Map(redirects.data.map((redirect) => [redirect.path, redirect.id])),
    revisionIds: [],
  };
  for (const { path: old, node } of redirects.data) seen.view.redirects[old] = node?.path ?? '';
  for (const node of nodes.data) {
    const revisions = node.revisions === 0 ? [] : await revisionsOf(service, node.id);
    seen.revisionIds.push(...revisions.map(({ id }) => id));
    seen.view.nodes[node.path] = {
      head: node.head?.number ?? null,
      revisions: revisions.map(({ message }) => message ?? ''),
      aliases: Object.fromEntries(node.aliases.map(({ name, revision }) => [name, revision])),
      archived: node.archived,
      disabled: node.disabled,
    };
  }
  return seen;
}

async function revisionsOf(service: CrashingService, id: string): Promise<SeenRevision[]> {
  return (await service.get<Page<SeenRevision>>(`/nodes/${id}/revisions?limit=${LIMIT}`)).data;
}
