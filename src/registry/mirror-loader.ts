/** Reads the registry into the tree, in pages: a million nodes never lie in one answer of the database. */
import { Inject, Injectable } from '@nestjs/common';
import { join } from 'node:path';
import { CONFIG, type Config } from '../config.js';
import { Database } from '../database/database.js';
import { AdapterTree } from '../tree/adapter-tree.js';
import { toNodeRecord, toRegisteredModel, toRevisionRecord } from './records-of-rows.js';
import { TreeMirror } from './tree-mirror.js';

const PAGE = 5_000;

@Injectable()
export class MirrorLoader {
  readonly #database: Database;
  readonly #mirror: TreeMirror;
  readonly #dataFolder: string;

  constructor(database: Database, mirror: TreeMirror, @Inject(CONFIG) config: Config) {
    this.#database = database;
    this.#mirror = mirror;
    this.#dataFolder = config.dataFolder;
  }

  async load(): Promise<void> {
    const { client } = this.#database;
    const nodes = await collect((page) => client.node.findMany(page), toNodeRecord);
    const revisions = await collect(
      (page) => client.revision.findMany({ ...page, omit: { targets: true, warnings: true, message: true } }),
      toRevisionRecord,
    );
    const roots = new Map(nodes.filter(({ parentId }) => parentId === null).map((node) => [node.modelId, node.id]));
    const models = await collect(
      (page) => client.model.findMany(page),
      // A model is always written together with its root.
      (row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(this.#dataFolder, row.folder)),
    );
    this.#mirror.replace(AdapterTree.load({ models, nodes, revisions }), models);
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
