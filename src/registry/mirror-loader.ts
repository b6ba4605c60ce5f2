/** Reads the registry into the tree, in pages: a million nodes never lie in one answer of the database. */
import { Injectable } from '@nestjs/common';
import { join } from 'node:path';
import { Database, type Transaction } from '../database/database.js';
import { AdapterTree } from '../tree/adapter-tree.js';
import { ChangeFeed } from './change-feed.js';
import { toAliasRecord, toRedirectRecord } from './changed-rows.js';
import { ModelFolders } from './model-folders.js';
import { toNodeRecord, toRegisteredModel, toRevisionRecord } from './records-of-rows.js';
import { nodesAfter, revisionsAfter } from './mirror-rows.js';
import { TreeMirror } from './tree-mirror.js';

const PAGE = 5_000;

@Injectable()
export class MirrorLoader {
  readonly #database: Database;
  readonly #mirror: TreeMirror;
  readonly #feed: ChangeFeed;
  readonly #folders: ModelFolders;

  constructor(database: Database, mirror: TreeMirror, feed: ChangeFeed, folders: ModelFolders) {
    this.#database = database;
    this.#mirror = mirror;
    this.#feed = feed;
    this.#folders = folders;
  }

  load(): Promise<void> {
    return this.#database.snapshot((reader) => this.#loadFrom(reader));
  }

  /** `reader` sees one state of the database from the first page to the last. */
  async #loadFrom(reader: Transaction): Promise<void> {
    const newest = await reader.auditEntry.aggregate({ _max: { sequence: true } });
    const load = AdapterTree.loading();
    const rootNodes = await reader.node.findMany({ where: { parentId: null }, select: { id: true, modelId: true } });
    const roots = new Map(rootNodes.map(({ id, modelId }) => [modelId, id]));
    const models = await collect(
      (slice) => reader.model.findMany(orderedById(slice)),
      // A model is always written together with its root.
      (row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(this.#folders.root, row.digest)),
    );
    load.models(models);
    await eachPage(
      ({ after, take }) => nodesAfter(reader, after, take),
      (rows) => load.nodes(rows.map(toNodeRecord)),
    );
    await eachPage(
      ({ after, take }) => revisionsAfter(reader, after, take),
      (rows) => load.revisions(rows.map(toRevisionRecord)),
    );
    const aliases = await collect(
      (slice) => reader.alias.findMany(orderedById(slice)),
      (row) => ({ nodeId: row.nodeId, ...toAliasRecord(row) }),
    );
    const redirects = await collect(
      (slice) => reader.redirect.findMany(orderedById(slice)),
      (row) => ({ parentId: row.parentId, ...toRedirectRecord(row) }),
    );
    this.#mirror.replace(load.finish({ aliases, redirects }), models);
    this.#feed.advance(newest._max.sequence ?? 0n);
  }
}

interface Slice {
  /** Id of the last row before it; empty at the start. */
  after: string;
  take: number;
}

function orderedById({ after, take }: Slice) {
  return { where: { id: { gt: after } }, orderBy: { id: 'asc' }, take } as const;
}

async function collect<Row extends { id: string }, T>(
  find: (slice: Slice) => Promise<Row[]>,
  map: (row: Row) => T,
): Promise<T[]> {
  const all: T[] = [];
  await eachPage(find, (rows) => all.push(...rows.map(map)));
  return all;
}

/** The next page is asked for while one is taken in: the database and this process work at the same time. */
async function eachPage<Row extends { id: string }>(
  find: (slice: Slice) => Promise<Row[]>,
  take: (rows: Row[]) => void,
): Promise<void> {
  let next: Promise<Row[]> | null = find({ after: '', take: PAGE });
  while (next) {
    const rows: Row[] = await next;
    const last = rows.at(-1);
    next = last && rows.length === PAGE ? find({ after: last.id, take: PAGE }) : null;
    take(rows);
  }
}
