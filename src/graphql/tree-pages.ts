/**
 * Pages of what hangs on a node. Which rows they hold is known from the tree in memory, so that the pages of a hundred
 * nodes take one query for all their rows together.
 */
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { InvalidRequestError } from '../errors/requests.js';
import { ChildPages } from '../registry/child-pages.js';
import { cursorKey, MAX_PAGE_SIZE, toCursor } from '../registry/dto/page.js';
import type { NodeDto } from '../registry/dto/node.dto.js';
import type { RevisionDto } from '../registry/dto/revision.dto.js';
import { TreeMirror } from '../registry/tree-mirror.js';
import { DEFAULT_PAGE_SIZE, framed, pageOf, parse, type Connection, type Forward } from './connection.js';
import type { Loaders } from './loaders.js';

/** Arguments of a connection that goes either way. */
export interface BothWays extends Forward {
  last?: number | null;
  before?: string | null;
}

const size = z.number().int().min(1).max(MAX_PAGE_SIZE).nullish();
const cursor = z.string().min(1).max(4096).nullish();
const bothWays = z.object({ first: size, after: cursor, last: size, before: cursor });

const NODE_NAME = /^[a-z0-9._-]+$/;
const REVISION_NUMBER = /^\d{1,9}$/;

@Injectable()
export class TreePages {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly childPages: ChildPages,
  ) {}

  async parent(id: string, { nodes }: Loaders): Promise<NodeDto | null> {
    const parentId = this.mirror.tree.node(id)?.parentId ?? null;
    return parentId === null ? null : nodes.load(parentId);
  }

  /** By name, without those that are archived. */
  async children(id: string, page: Forward, { nodes }: Loaders): Promise<Connection<NodeDto>> {
    const { limit, cursor: after } = pageOf(page);
    const found = await this.#childrenAfter(id, cursorKey(after, NODE_NAME), limit + 1);
    const edges = await loaded(nodes, found.slice(0, limit), ({ name }) => name);
    return framed(edges, { hasNextPage: found.length > limit, hasPreviousPage: after !== undefined });
  }

  /** By number. */
  async revisions(id: string, page: BothWays, { revisions }: Loaders): Promise<Connection<RevisionDto>> {
    const { first, after, last, before } = parse(bothWays, { ...page });
    if (first != null && last != null) throw new InvalidRequestError('Give either first or last.', 'last');
    const from = Number(cursorKey(after ?? undefined, REVISION_NUMBER) ?? 0);
    const to = Number(cursorKey(before ?? undefined, REVISION_NUMBER) ?? Infinity);
    const all = this.mirror.tree.revisions(id);
    const within = all.filter(({ number }) => number > from && number < to);
    const shown = last == null ? within.slice(0, first ?? DEFAULT_PAGE_SIZE) : within.slice(-last);
    const edges = await loaded(revisions, shown, ({ number }) => String(number));
    return framed(edges, {
      hasNextPage: shown.length > 0 && shown.at(-1) !== all.at(-1),
      hasPreviousPage: shown.length > 0 && shown[0] !== all[0],
    });
  }

  async #childrenAfter(id: string, name: string | null, limit: number) {
    const found = [];
    for (let last = name; ;) {
      const children = await this.childPages.after(id, last, limit);
      found.push(...children.filter(({ archived }) => !archived));
      last = children.at(-1)?.name ?? null;
      if (last === null || children.length < limit || found.length >= limit) return found.slice(0, limit);
    }
  }
}

/** What went away in between is left out. */
async function loaded<R extends { id: string }, T>(
  loader: { load: (id: string) => Promise<T | null> },
  records: readonly R[],
  key: (record: R) => string,
) {
  const found = await Promise.all(records.map(({ id }) => loader.load(id)));
  return records.flatMap((record, i) => {
    const node = found[i];
    return node == null ? [] : [{ node, cursor: toCursor(key(record)) }];
  });
}
