/** Reads the registry into the tree, in pages: a million nodes never lie in one answer of the database. */
import { Injectable } from '@nestjs/common';
import { join } from 'node:path';
import { Database, type Transaction } from '../database/database.js';
import { AdapterTree } from '../tree/adapter-tree.js';
import { ChangeFeed } from './change-feed.js';
import { toAliasRecord, toRedirectRecord } from './changed-rows.js';
import { ModelFolders } from './model-folders.js';
import {
  nodeRecordColumns,
  revisionRecordColumns,
  toNodeRecord,
  toRegisteredModel,
  toRevisionRecord,
} from './records-of-rows.js';
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
    const nodes = await collect(
      (page) => reader.node.findMany({ ...page, where: { ...page.where, deletedAt: null }, select: nodeRecordColumns }),
      toNodeRecord,
    );
    const revisions = await collect(
      (page) =>
        reader.revision.findMany({
          ...page,
          where: { ...page.where, node: { deletedAt: null } },
          select: revisionRecordColumns,
        }),
      toRevisionRecord,
    );
    const roots = new Map(nodes.filter(({ parentId }) => parentId === null).map((node) => [node.modelId, node.id]));
    const models = await collect(
      (page) => reader.model.findMany(page),
      // A model is always written together with its root.
      (row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(this.#folders.root, row.digest)),
    );
    const aliases = await collect(
      (page) => reader.alias.findMany(page),
      (row) => ({ nodeId: row.nodeId, ...toAliasRecord(row) }),
    );
    const redirects = await collect(
      (page) => reader.redirect.findMany(page),
      (row) => ({ parentId: row.parentId, ...toRedirectRecord(row) }),
    );
    this.#mirror.replace(AdapterTree.load({ models, nodes, revisions, aliases, redirects }), models);
    this.#feed.advance(newest._max.sequence ?? 0n);
  }
}

interface PageOfIds {
  where?: { id: { gt: string } };
  orderBy: { id: 'asc' };
  take: number;
}

async function collect<Row extends { id: string }, T>(
  find: (page: PageOfIds) => Promise<Row[]>,
  map: (row: Row) => T,
): Promise<T[]> {
  const all: T[] = [];
  let last: string | undefined;
  do {
    const rows = await find({
      ...(last === undefined ? {} : { where: { id: { gt: last } } }),
      orderBy: { id: 'asc' },
      take: PAGE,
    });
    for (const row of rows) all.push(map(row));
    last = rows.length < PAGE ? undefined : rows.at(-1)?.id;
  } while (last !== undefined);
  return all;
}
