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
    const nodes = await collect(({ after, take }) => nodesAfter(reader, after, take), toNodeRecord);
    const revisions = await collect(({ after, take }) => revisionsAfter(reader, after, take), toRevisionRecord);
    const roots = new Map(nodes.filter(({ parentId }) => parentId === null).map((node) => [node.modelId, node.id]));
    const models = await collect(
      (page) => reader.model.findMany(orderedById(page)),
      // A model is always written together with its root.
      (row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(this.#folders.root, row.digest)),
    );
    const aliases = await collect(
      (page) => reader.alias.findMany(orderedById(page)),
      (row) => ({ nodeId: row.nodeId, ...toAliasRecord(row) }),
    );
    const redirects = await collect(
      (page) => reader.redirect.findMany(orderedById(page)),
      (row) => ({ parentId: row.parentId, ...toRedirectRecord(row) }),
    );
    this.#mirror.replace(AdapterTree.load({ models, nodes, revisions, aliases, redirects }), models);
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
  for (let after: string | undefined = ''; after !== undefined;) {
    const rows: Row[] = await find({ after, take: PAGE });
    for (const row of rows) all.push(map(row));
    after = rows.length < PAGE ? undefined : rows.at(-1)?.id;
  }
  return all;
}
