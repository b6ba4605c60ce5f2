/** Reads the registry into the tree, in pages: a million nodes never lie in one answer of the database. */
import { Injectable } from '@nestjs/common';
import { join } from 'node:path';
import { Database, type Transaction } from '../database/database.js';
import { AdapterTree } from '../tree/adapter-tree.js';
import type { NodeRecord } from '../tree/records.js';
import { ChangeFeed } from './change-feed.js';
import { toAliasRecord, toRedirectRecord } from './changed-rows.js';
import { ModelFolders } from './model-folders.js';
import { nodesAfter, type NodePage } from './mirror-rows.js';
import { toRegisteredModel } from './records-of-rows.js';
import { TreeMirror } from './tree-mirror.js';

const PAGE = 4_000;
/** The server listens by then. */
const SETTLE_AFTER_MS = 1_000;
/** Less than a millisecond. */
const SETTLED_AT_ONCE = 2_000;

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

  async load(): Promise<void> {
    await this.#database.snapshot((reader) => this.#loadFrom(reader));
    const { tree } = this.#mirror;
    const settle = (): void => {
      if (tree.settle(SETTLED_AT_ONCE)) setTimeout(settle, 1).unref();
    };
    setTimeout(settle, SETTLE_AFTER_MS).unref();
  }

  /** `reader` sees one state of the database from the first page to the last. */
  async #loadFrom(reader: Transaction): Promise<void> {
    const newest = await reader.auditEntry.aggregate({ _max: { sequence: true } });
    const load = AdapterTree.loading();
    const rootNodes = await reader.node.findMany({ where: { parentId: null }, select: { id: true, modelId: true } });
    const roots = new Map(rootNodes.map(({ id, modelId }) => [modelId, id]));
    const models = await collect(
      (last) => reader.model.findMany(orderedById(last)),
      // A model is always written together with its root.
      (row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(this.#folders.root, row.digest)),
    );
    load.models(models);
    // The next page is asked for while one is taken in: the database and this process work at the same time.
    let before: NodeRecord[] = [];
    let next: Promise<NodePage> | null = nodesAfter(reader, before, PAGE);
    while (next) {
      const { nodes, revisionsBefore }: NodePage = await next;
      next = nodes.length > 0 ? nodesAfter(reader, nodes, PAGE) : null;
      load.page(before, revisionsBefore);
      before = nodes;
    }
    const aliases = await collect(
      (last) => reader.alias.findMany(orderedById(last)),
      (row) => ({ nodeId: row.nodeId, ...toAliasRecord(row) }),
    );
    const redirects = await collect(
      (last) => reader.redirect.findMany(orderedById(last)),
      (row) => ({ parentId: row.parentId, ...toRedirectRecord(row) }),
    );
    const mergePins = await collect(
      (slice) => reader.mergePin.findMany(orderedById(slice)),
      (row) => row,
    );
    this.#mirror.replace(load.finish({ aliases, redirects }), models, mergePins);
    this.#feed.advance(newest._max.sequence ?? 0n);
  }
}

interface Identified {
  id: string;
}

/** A page of a small table, after the last row of the page before. */
function orderedById(last: Identified | null) {
  return { where: { id: { gt: last?.id ?? '' } }, orderBy: { id: 'asc' }, take: PAGE } as const;
}

async function collect<Row extends Identified, T>(
  find: (last: Identified | null) => Promise<Row[]>,
  map: (row: Row) => T,
): Promise<T[]> {
  const all: T[] = [];
  let last: Identified | null = null;
  let rows: Row[];
  do {
    rows = await find(last);
    last = rows.at(-1) ?? null;
    all.push(...rows.map(map));
  } while (rows.length === PAGE);
  return all;
}
